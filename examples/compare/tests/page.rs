//! The page and the Markdown that are made of a real run: the same numbers, and room for them on a phone.

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{Run, skip};
use serde_json::Value;

/// A small run of several routes, and what is made of it.
fn results() -> (Run, Value, String) {
    let routes = "file_to_tcp,small_files";
    let run = Run::compare(&["--quick", "--lanes", "rust", "--only", routes, "--sizes", "4KiB,64KiB"]);
    assert!(run.succeeded(), "{}", run.stderr());
    let json = run.json();
    let made = program(&run).args(["--page", "json", "page.html"]).status().unwrap();
    assert!(made.success());
    let page = fs::read_to_string(run.path("page.html")).unwrap();
    (run, json, page)
}

fn program(run: &Run) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_compare"));
    command.current_dir(run.path("."));
    command
}

fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let from = tag.find(&format!(" {name}=\""))? + name.len() + 3;
    tag[from..].split('"').next()
}

#[test]
fn page_and_markdown_have_the_numbers_of_the_json() {
    let (run, json, page) = results();
    let mut seen = 0;
    for part in page.split('<') {
        let Some(place) = attribute(part, "data-n") else { continue };
        let (tag, text) = part.split_once('>').unwrap();
        let decimals: usize = attribute(tag, "data-d").unwrap().parse().unwrap();
        let value = json.pointer(place).unwrap_or_else(|| panic!("nothing at {place}")).as_f64().unwrap();
        assert_eq!(attribute(tag, "data-v").unwrap_or(text), format!("{value:.decimals$}"), "{place}");
        seen += 1;
    }
    // Every lane has its speed and its CPU time there at least.
    let lanes: usize =
        json["cells"].as_array().unwrap().iter().map(|cell| cell["lanes"].as_array().unwrap().len()).sum();
    assert!(seen > 2 * lanes, "{seen} figures, {lanes} lanes");

    let markdown = program(&run).args(["--markdown", "json"]).output().unwrap();
    let markdown = String::from_utf8(markdown.stdout).unwrap();
    for name in ["date", "kernel", "cpu"] {
        assert!(markdown.contains(json["host"][name].as_str().unwrap()), "{markdown}");
    }
    assert!(markdown.contains(json["settings"]["command"].as_str().unwrap()), "{markdown}");
    for cell in json["cells"].as_array().unwrap() {
        let ratio = |lane: &Value, name: &str| lane["against"][name]["median"].as_f64();
        let judged = cell["lanes"].as_array().unwrap().iter().filter(|lane| ratio(lane, "speed_ratio").is_some());
        let best =
            judged.max_by(|a, b| ratio(a, "speed_ratio").partial_cmp(&ratio(b, "speed_ratio")).unwrap()).unwrap();
        let [speed, cpu] = ["speed_ratio", "cpu_ratio"].map(|name| ratio(best, name).unwrap());
        assert!(markdown.contains(&format!(" {speed:.2} · {cpu:.2} |")), "{best}");
    }
}

#[test]
fn nothing_sticks_out_on_a_phone() {
    let Some(browser) = ["chromium", "chromium-browser", "google-chrome"].into_iter().find(|name| runs(name)) else {
        // Not what this program needs: the developers' machines may do without, also on CI.
        eprintln!("skipped: no Chromium is installed (Debian: chromium)");
        return;
    };
    let (run, _, page) = results();
    for width in [390, 1280] {
        let found = overflow(browser, &run.path("."), &page, width);
        let Some(found) = found else { return skip(&format!("{browser} does not run here")) };
        assert_eq!(found, "", "at {width} px");
    }
}

fn runs(name: &str) -> bool {
    Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|s| s.success())
}

/// What is wider than the page, by the browser's own layout. No window is as narrow as a phone, but a frame is.
fn overflow(browser: &str, folder: &Path, page: &str, width: u32) -> Option<String> {
    let escaped = page.replace('&', "&amp;").replace('"', "&quot;");
    let script = "addEventListener('load', () => { const inner = frames[0].document; const out = [];
        for (const e of inner.querySelectorAll('body *')) { const r = e.getBoundingClientRect();
          if (r.width && (r.right > inner.documentElement.clientWidth + 1 || r.left < -1)) out.push(e.tagName + '.' + e.getAttribute('class') + ' ' + r.right); }
        if (inner.documentElement.scrollWidth > inner.documentElement.clientWidth) out.push('the page');
        document.body.innerHTML = '[[' + out.slice(0, 5).join('; ') + ']]'; });";
    let wrapper = format!(
        "<!doctype html><script>{script}</script><body><iframe width={width} height=2000 style=\"border:0\" srcdoc=\"{escaped}\"></iframe>"
    );
    fs::write(folder.join("wrapper.html"), wrapper).unwrap();
    let out = fs::File::create(folder.join("dom")).unwrap();
    let mut browser = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync", "--dump-dom"])
        .args(["--disable-background-networking", "--disable-component-update", "--virtual-time-budget=5000"])
        .arg(format!("--user-data-dir={}", folder.join("profile").display()))
        .arg(format!("file://{}", folder.join("wrapper.html").canonicalize().unwrap().display()))
        .stdout(out)
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let deadline = Instant::now() + Duration::from_secs(180);
    while browser.try_wait().ok()?.is_none() {
        if Instant::now() > deadline {
            let _ = browser.kill();
            let _ = browser.wait();
            return None;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let dom = fs::read_to_string(folder.join("dom")).ok()?;
    let found = dom.split_once("[[")?.1.split_once("]]")?.0;
    // The script's own text has brackets of that kind, too.
    Some(
        dom.rsplit_once("[[")
            .map_or(found, |(_, rest)| rest.split_once("]]").map_or(found, |(found, _)| found))
            .to_string(),
    )
}
