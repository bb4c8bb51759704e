//! One self-contained page made from the results alone: no script, no font or picture from elsewhere, light and dark, on
//! paper and on a phone.
//!
//! Every measured number on it is written by [`html::Figure`], which says where in the JSON it stands; a test takes the
//! page apart and compares. What zcio does is in the accent colour, everything else in greys.

mod chart;
mod html;
mod overview;
mod route;

use std::fmt::{self, Write};

use crate::results::Outcome;
use html::{Figure, escape};

/// The page.
pub fn render(outcome: &Outcome) -> Result<String, fmt::Error> {
    let mut page = String::new();
    writeln!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>zcio compared, {}</title>\n<style>\n{}</style>\n\
         </head>\n<body>\n<main>",
        escape(&outcome.host.date),
        include_str!("style.css")
    )?;
    writeln!(
        page,
        "<header>\n<h1>zcio compared</h1>\n<p class=\"lead\">Bytes moved by zcio and by the usual ways, in rounds of random \
         order, every byte checked.</p>\n</header>"
    )?;
    overview::render(&mut page, outcome)?;
    provenance(&mut page, outcome)?;
    route::render_all(&mut page, outcome)?;
    omissions(&mut page, outcome)?;
    page.push_str("</main>\n</body>\n</html>\n");
    Ok(page)
}

/// Where, when and how; folded, because it is the answer that is looked for.
fn provenance(page: &mut String, outcome: &Outcome) -> fmt::Result {
    let (host, settings) = (&outcome.host, &outcome.settings);
    writeln!(page, "<details>\n<summary>How it was measured</summary>\n<dl class=\"facts\">")?;
    let mut fact = |name: &str, text: &str| writeln!(page, "<div><dt>{}</dt><dd>{text}</dd></div>", escape(name));
    fact("date", &escape(&host.date))?;
    fact("kernel", &escape(&host.kernel))?;
    fact("processor", &escape(&host.cpu))?;
    let memory = format!("{} GB", Figure::new("/host/memory_gigabytes", host.memory_gigabytes, 1));
    fact("memory", &memory)?;
    for (name, version) in host.runtimes.iter().chain(&host.file_systems) {
        fact(name, &escape(version))?;
    }
    let pin = settings.pin.described();
    fact("processes", pin)?;
    fact("rounds", &Figure::new("/settings/rounds", settings.rounds.into(), 0).to_string())?;
    fact("zcio", &escape(&host.zcio))?;
    if let Some(reason) = &settings.system_calls_not_counted {
        fact("system calls", &escape(&format!("not counted: {reason}")))?;
    }
    writeln!(page, "</dl>\n<p class=\"command\"><code>{}</code></p>\n</details>", escape(&settings.command))
}

fn omissions(page: &mut String, outcome: &Outcome) -> fmt::Result {
    if outcome.skipped.is_empty() && outcome.failed.is_empty() && outcome.missing.is_empty() {
        return Ok(());
    }
    writeln!(page, "<section>\n<h2>Left out</h2>\n<ul class=\"omissions\">")?;
    for skipped in &outcome.skipped {
        writeln!(
            page,
            "<li><b>{} {}</b>: {}</li>",
            escape(&skipped.route),
            escape(&skipped.point),
            escape(&skipped.reason)
        )?;
    }
    for failed in &outcome.failed {
        let place = format!("{} {}", failed.route, failed.point);
        let (place, lane, reason) = (escape(&place), escape(&failed.lane), escape(&failed.reason));
        writeln!(page, "<li><b>{place}</b>: {lane} gave up: {reason}</li>")?;
    }
    for missing in &outcome.missing {
        writeln!(
            page,
            "<li><b>{}</b>: {}; {}</li>",
            escape(&missing.lane),
            escape(&missing.reason),
            escape(&missing.remedy)
        )?;
    }
    writeln!(page, "</ul>\n</section>")
}

#[cfg(test)]
mod tests;
