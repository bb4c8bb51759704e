//! What the article's table would have to say, as far as this machine has shown it. Each sentence has its measurement.

use super::{Cost, Proof, Route, Row};

/// Sentences with the numbers they come from; only about rows that were measured.
pub(super) fn corrections(proof: &Proof) -> Vec<String> {
    let row = |route, mechanism| proof.find(route, mechanism);
    let copies = |route, mechanism| {
        let found = row(route, mechanism)?.copies.value()?;
        Some(if found.most == Some(found.least) {
            found.least.to_string()
        } else {
            format!("at least {}", found.least)
        })
    };
    let mut list = Vec::new();
    let veth = [Route::FileToTcpGather, Route::FileToTcpNoGather];
    if let [Some(on), Some(off)] = veth.map(|route| copies(route, "sendfile")) {
        list.push(format!(
            "sendfile's copies depend on the device, not on the call: {on} with scatter-gather, {off} without."
        ));
    }
    if let [Some(on), Some(off)] = veth.map(|route| copies(route, "splice")) {
        list.push(format!(
            "splice needs the same device: {on} with scatter-gather, {off} without; the article says 0."
        ));
    }
    let splice = cost(row(Route::FileToTcp, "splice"), false);
    if let Some((calls, switches)) = splice.and_then(|cost| cost.system_calls.value().zip(cost.switches.value())) {
        list.push(format!(
            "splice is no single call: to a socket it takes two for each pipeful (file to pipe, pipe to socket), and each \
             enters and leaves the kernel. {calls} calls and {switches} switches here, the article says 1 and 2."
        ));
    }
    let sendfile = row(Route::FileToTcp, "sendfile");
    if let (Some(warm), Some(cold)) = (cost(sendfile, false), cost(sendfile, true))
        && let (Some(without), Some(with)) = (warm.block.value(), cold.block.value())
    {
        let part = |bytes: u64| bytes as f64 / warm.bytes as f64;
        list.push(format!(
            "\"2 DMA copies\" are two only with a cold cache and a network device that is no program: the disk moved {:.2} \
             of the bytes with a warm cache and {:.2} with a cold one, and loopback and veth have no DMA.",
            part(without.read),
            part(with.read)
        ));
    }
    list
}

fn cost(row: Option<&Row>, cold: bool) -> Option<&Cost> {
    let row = row?;
    if cold { row.cold.value() } else { row.warm.value() }
}
