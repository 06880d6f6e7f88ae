//! Tables and files of a study: headers, exactness, determinism, what the first screen says.

#[path = "report/fake.rs"]
mod fake;

use delm_sim::report::{self, Format, files};

#[test]
fn show() {
    let study = fake::study();
    println!("{}", report::render(&study, Format::Table));
    println!("{}", report::render(&fake::closed_form(), Format::Table));
    println!("{}", report::render(&fake::closed_form(), Format::Md));
    println!(
        "{}",
        report::render(&study, Format::Csv)
            .lines()
            .take(5)
            .collect::<Vec<_>>()
            .join("\n")
    );
    println!("{}", files::metrics_csv(&fake::closed_form()));
}
