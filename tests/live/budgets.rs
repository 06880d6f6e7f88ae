//! No cap is exceeded, whatever is in flight, and a run that met one goes on with a higher one.

use super::server::{Act, Server};
use super::{document, folder, live};
use std::time::{Duration, Instant};

fn slow(asked: &super::server::Asked) -> Act {
    Act::Late(Duration::from_millis(5 + asked.number % 7 * 3), Box::new(Act::Answer))
}

#[test]
fn caps_hold_with_calls_in_flight_and_a_higher_one_goes_on() {
    for (flag, cap, more) in
        [("--max-calls", "7", "500"), ("--max-tokens", "6000", "500000"), ("--max-usd", "0.007", "9")]
    {
        let folder = folder();
        let server = Server::start(slow);
        let dir = folder.path().join("out");
        let done = live(folder.path(), &server.url(), &[flag, cap, "--output-dir", "out"]);
        assert_eq!(done.code, Some(1), "{flag}: {}", done.err);
        assert!(done.err.contains(flag) && done.err.contains("--resume"), "{}", done.err);
        let told = document(&dir.join("live.json"));
        assert_eq!(told["stopped"]["why"], "budget");
        assert!(server.requests() > 0, "{flag}: something was done");
        match flag {
            "--max-calls" => assert_eq!(server.requests(), 7),
            "--max-tokens" => assert!(server.billed() <= 6000, "{}", server.billed()),
            _ => assert!(told["budget"]["spent"]["usd"].as_f64().unwrap() <= 0.007),
        }
        assert_eq!(told["budget"]["spent"]["tokens"], server.billed());
        let paid = server.requests();
        let done = live(folder.path(), &server.url(), &[flag, more, "--resume", "out"]);
        assert_eq!(done.code, Some(0), "{flag}: {}", done.err);
        let told = document(&dir.join("live.json"));
        assert_eq!(told["budget"]["spent"]["calls"], server.requests(), "both sessions count");
        assert_eq!(told["budget"]["spent"]["tokens"], server.billed());
        assert!(server.requests() > paid);
        let answered = server.log().iter().filter(|e| e.answered.is_some()).count();
        assert_eq!(answered, server.requests(), "no call was dropped or repeated");
    }
}

#[allow(clippy::disallowed_methods, reason = "what is tested is real time")]
#[test]
fn the_time_limit_drops_what_is_in_flight_and_charges_it() {
    let folder = folder();
    let server = Server::start(|asked| {
        let wait = if asked.number < 3 { 10 } else { 60_000 };
        Act::Late(Duration::from_millis(wait), Box::new(Act::Answer))
    });
    let start = Instant::now();
    let done = live(folder.path(), &server.url(), &["--max-seconds", "1", "--output-dir", "out"]);
    assert_eq!(done.code, Some(1), "{}", done.err);
    assert!(start.elapsed() < Duration::from_secs(20));
    assert!(done.err.contains("--max-seconds"), "{}", done.err);
    let told = document(&folder.path().join("out/live.json"));
    assert!(told["budget"]["possibly_billed"]["tokens"].as_u64().unwrap() > 0);
    let again = live(folder.path(), &server.url(), &["--max-seconds", "1", "--resume", "out"]);
    assert_eq!(again.code, Some(1), "the time of all sessions counts: {}", again.err);
    assert_eq!(document(&folder.path().join("out/live.json"))["budget"]["spent"]["calls"], server.requests());
}
