use delm_sim::experiment::*;
fn main() {
    let s: Scenario =
        toml::from_str(&std::fs::read_to_string(std::env::args().nth(1).unwrap()).unwrap())
            .unwrap();
    let t = std::time::Instant::now();
    let study = conduct(
        &s,
        &Options {
            compare: true,
            ..Default::default()
        },
    )
    .unwrap();
    for c in &study.cells {
        print!("{:26} {:3}", c.policy, c.agents);
        for m in [
            "makespan_s",
            "cost_per_task_usd",
            "avg_at_1",
            "pass",
            "controller_utilisation",
            "waiting_share",
            "events",
            "share_duplicated",
            "cache_share",
            "share_idle_tail",
            "details_arrived",
            "misled",
        ] {
            print!(
                " {}={:.3}",
                m.split('_').next().unwrap(),
                c.mean(m).unwrap_or(f64::NAN)
            );
        }
        println!();
    }
    for v in study.verdicts.iter().chain(&study.warnings) {
        println!("- {v}");
    }
    for k in &study.checks {
        println!("{:?}", k);
    }
    println!("{} {:.2?}", study.digest, t.elapsed());
}
