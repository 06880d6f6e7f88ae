//! Tables, files and figures of a study: headers, exactness, determinism, what the first screen says.

#[path = "report/fake.rs"]
mod fake;

use delm_sim::experiment::comparison::HEADLINE;
use delm_sim::report::{self, Format, files, plot, table};

#[test]
fn first_screen() {
    let screen = report::render(&fake::study(), Format::Table);
    for line in screen.lines() {
        assert!(line.chars().count() <= table::WIDTH, "too wide: {line}");
    }
    insta::assert_snapshot!("first_screen", screen);
}

/// One page: the question, the answer with losses first, what nothing beats, what is assumed.
#[test]
fn first_page() {
    let page = report::first::page(&fake::study(), report::first::Typed { scenario: "fake.toml", changes: &[] });
    assert!(page.lines().count() <= 40, "{page}");
    for line in page.lines() {
        assert!(line.chars().count() <= table::WIDTH, "too wide: {line}");
    }
    let at = |word: &str| page.find(word);
    if let (Some(worse), Some(better)) = (at("- WORSE"), at("- better")) {
        assert!(worse < better, "{page}");
    }
    insta::assert_snapshot!("first_page", page);
}

#[test]
fn closed_forms_on_screen() {
    let study = fake::closed_form();
    insta::assert_snapshot!("closed_form", report::render(&study, Format::Table));
    assert!(report::render(&study, Format::Table).contains(&report::checks_table(&study)));
    assert_eq!(report::checks_table(&fake::study()), "");
}

#[test]
fn markdown_has_every_row() {
    let study = fake::study();
    let page = report::render(&study, Format::Md);
    let rows = page.lines().filter(|l| l.starts_with("| ")).count();
    assert_eq!(rows, study.cells.len() + study.comparisons.len() + 4);
    assert!(page.contains("| delm-solvers | 64 \\* |"));
}

#[test]
fn headers_are_as_promised() {
    let study = fake::study();
    let first = |text: &str| text.lines().next().unwrap().to_owned();
    assert_eq!(
        first(&files::metrics_csv(&study)),
        "scenario,policy,agents,metric,unit,mean,sd,ci_low,ci_high,p50,p90,p99,replications,origin,extrapolated"
    );
    assert_eq!(
        first(&files::comparison_csv(&study)),
        "scenario,metric,agents,policy,baseline,difference,ratio,ci_low,ci_high,p_value,holm,verdict"
    );
    assert_eq!(first(&files::replications_csv(&study)), "scenario,policy,agents,replication,metric,value");
}

#[test]
fn every_number_of_the_files_reads_back_exactly() {
    let study = fake::study();
    let text = files::replications_csv(&study);
    let mut rows = csv::Reader::from_reader(text.as_bytes());
    let mut values = rows.records().map(|r| r.unwrap()[5].parse::<f64>().unwrap());
    let all = study.cells.iter().flat_map(|c| &c.series);
    for series in all.filter(|s| HEADLINE.contains(&s.metric)) {
        for value in &series.values {
            assert_eq!(values.next(), Some(*value));
        }
    }
    assert_eq!(values.next(), None);
}

#[test]
fn what_is_no_number_is_an_empty_cell() {
    let study = fake::closed_form();
    for file in files::all(&study, false) {
        let text = String::from_utf8(file.bytes).unwrap();
        for bad in ["NaN", "nan", "inf"] {
            assert!(!text.contains(bad), "{} says {bad}", file.name);
        }
    }
    let metrics = files::metrics_csv(&study);
    assert!(metrics.contains(",empty_s,s,,,,,,,,0,simulated,false\n"));
    assert!(metrics.contains(",gap_s,s,,,,,,,,3,simulated,false\n"));
    let values = files::replications_csv(&study);
    assert!(values.contains("orchestrator-parallel,4,,cost_per_submission_usd,1.5\n"));
    assert!(files::comparison_csv(&study).ends_with(",,,,,false,equal\n"));
}

#[test]
fn equal_studies_give_equal_bytes() {
    assert_eq!(files::all(&fake::study(), true), files::all(&fake::study(), true));
    for format in [Format::Table, Format::Json, Format::Csv, Format::Md] {
        let text = report::render(&fake::study(), format);
        assert_eq!(text, report::render(&fake::study(), format));
        assert!(text.ends_with('\n') && !text.ends_with("\n\n"));
    }
}

#[test]
fn json_is_one_document_that_its_schema_describes() {
    let text = report::render(&fake::closed_form(), Format::Json);
    let summary: report::summary::SummaryFile = serde_json::from_str(&text).unwrap();
    assert_eq!(summary.to_json(), text);
    assert_eq!(summary.checks.len(), 2);
    assert_eq!(summary.comparisons[0].ratio, None);
    let schemas = report::schemas();
    assert_eq!(schemas.keys().collect::<Vec<_>>(), [&"manifest.json", &"summary.json"]);
    assert!(schemas["summary.json"]["properties"]["verdicts"].is_object());
}

#[test]
fn figures_are_whole_files() {
    let figures = plot::files(&fake::study());
    let names: Vec<&str> = figures.iter().map(|f| f.name.as_str()).collect();
    for name in ["makespan", "cost", "accuracy", "utilisation", "phases"] {
        assert!(names.contains(&format!("{name}.svg").as_str()));
        assert!(names.contains(&format!("{name}.png").as_str()));
    }
    for file in &figures {
        if file.bytes.starts_with(b"\x89") {
            assert!(file.bytes.starts_with(b"\x89PNG\r\n\x1a\n"));
            assert!(file.bytes.len() > 10_000, "{} is empty", file.name);
        } else {
            let text = std::str::from_utf8(&file.bytes).unwrap();
            assert!(text.starts_with("<svg width=\"1200\" height=\"750\" viewBox=\"0 0 2400 1500\""));
            assert!(text.trim_end().ends_with("</svg>"));
            assert!(text.contains("font-family=\"sans-serif\""));
        }
    }
    if let Ok(dir) = std::env::var("DELM_SIM_LOOK") {
        for file in figures {
            std::fs::write(format!("{dir}/{}", file.name), file.bytes).unwrap();
        }
    }
}

#[test]
fn figures_survive_odd_studies() {
    let mut study = fake::study();
    for (i, cell) in study.cells.iter_mut().enumerate() {
        for series in &mut cell.series {
            series.values.truncate(1);
            match i % 3 {
                0 => series.values[0] = 0.0,
                1 => series.values.push(-1e9 * series.values[0]),
                _ => {}
            }
        }
    }
    study.cells.remove(0);
    study.cells.retain(|c| c.policy != "independent" || c.agents == 16);
    study.cells[0].policy = "a-policy-with-a-name-that-nobody-should-ever-have-chosen".to_owned();
    study.scenario.mix.accuracy = "a & b < c \"quoted\"".to_owned();
    assert_eq!(plot::files(&study).len(), 12);
    study.cells.clear();
    assert_eq!(plot::files(&study), []);
    assert!(!report::render(&study, Format::Table).is_empty());
}

#[test]
fn one_team_size_has_no_lines() {
    let study = fake::closed_form();
    let names: Vec<String> = plot::files(&study).into_iter().map(|f| f.name).collect();
    assert_eq!(names, ["phases.svg", "phases.png"]);
    assert!(plot::missing(&study).is_some());
    assert!(plot::missing(&fake::study()).is_none());
}
