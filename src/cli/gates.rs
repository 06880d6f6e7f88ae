//! Gates on a study: judged, told, and written for the machines that run them.

use super::{output, whole};
use crate::experiment::Study;
use crate::experiment::gate::{Gate, Judged};
use anyhow::Result;
use std::fmt::Write as _;
use std::path::Path;

/// Judges all gates, says those that do not hold, and writes the report. Whether all hold.
pub(super) fn pass(gates: &[Gate], study: &Study, report: Option<&Path>) -> Result<bool> {
    let judged: Vec<Judged> = gates.iter().flat_map(|gate| gate.judge(study)).collect();
    for missed in judged.iter().filter(|j| !j.holds) {
        output::say(&format!("gate missed: {}", told(missed)));
    }
    if let Some(path) = report {
        let xml = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("xml"));
        whole::write(path, if xml { junit(&judged) } else { lines(&judged)? })?;
    }
    Ok(judged.iter().all(|j| j.holds))
}

fn told(j: &Judged) -> String {
    if j.agents == 0 || j.policy.is_empty() {
        return format!("`{}` speaks of no cell of this study (policy \"{}\")", j.gate, j.policy);
    }
    let number = |x: Option<f64>| x.map_or("unknown".to_owned(), |x| format!("{x}"));
    format!("`{}`: {}, N = {} has {}, held against {}", j.gate, j.policy, j.agents, number(j.value), number(j.bound))
}

/// One JSON object to a line.
fn lines(judged: &[Judged]) -> Result<String> {
    let mut text = String::new();
    for j in judged {
        text += &serde_json::to_string(j)?;
        text.push('\n');
    }
    Ok(text)
}

/// As JUnit's reports, which test runners show.
fn junit(judged: &[Judged]) -> String {
    let missed = judged.iter().filter(|j| !j.holds).count();
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"delm-sim gates\" tests=\"{}\" failures=\"{missed}\">\n",
        judged.len()
    );
    for j in judged {
        let name = format!("{} at {}, N = {}", j.gate, j.policy, j.agents);
        let _ = write!(text, "  <testcase classname=\"gates\" name=\"{}\"", escaped(&name));
        if j.holds {
            text += "/>\n";
        } else {
            let _ = write!(text, ">\n    <failure message=\"{}\"/>\n  </testcase>\n", escaped(&told(j)));
        }
    }
    text + "</testsuite>\n"
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_well_formed() {
        let j = |holds| Judged {
            gate: "pass > \"0\" & x < 1".to_owned(),
            policy: "p".to_owned(),
            agents: 2,
            value: Some(0.5),
            bound: None,
            holds,
        };
        let xml = junit(&[j(true), j(false)]);
        assert!(xml.contains("tests=\"2\" failures=\"1\"") && xml.contains("&quot;0&quot; &amp; x &lt; 1"), "{xml}");
        assert_eq!(lines(&[j(true)]).unwrap().lines().count(), 1);
        assert!(told(&j(false)).ends_with("has 0.5, held against unknown"));
    }
}
