//! Laws and draws: golden bits that may never change, means within intervals, faults in words.

use delm_sim::kernel::sampler::normal_quantile;
use delm_sim::kernel::{Address, Key, Law, Part};
use delm_sim::stats::{Summary, student_t_quantile};
use rand::Rng;

fn address(entity: u64) -> Address {
    Address { purpose: 3, entity, attempt: 1, step: 9 }
}

fn laws() -> Vec<(&'static str, Law)> {
    let part = |weight, law| Part { weight, law };
    vec![
        ("constant", Law::Constant(2.5)),
        ("exponential", Law::Exponential { mean: 2.0 }),
        ("erlang", Law::Erlang { shape: 4, mean: 2.0 }),
        ("gamma", Law::Gamma { shape: 2.5, mean: 3.0 }),
        ("gamma, shape below one", Law::Gamma { shape: 0.3, mean: 3.0 }),
        ("lognormal", Law::Lognormal { mean: 5.0, sigma: 0.8 }),
        ("beta", Law::Beta { a: 2.0, b: 5.0 }),
        ("beta, tiny shapes", Law::Beta { a: 0.01, b: 0.02 }),
        ("pareto", Law::Pareto { alpha: 3.5, mean: 2.0 }),
        ("uniform", Law::Uniform { low: 1.0, high: 4.0 }),
        ("table", Law::Table { quantiles: vec![0.0, 1.0, 1.0, 10.0] }),
        (
            "mixture",
            Law::Mixture {
                parts: vec![
                    part(3.0, Law::Exponential { mean: 1.0 }),
                    part(0.0, Law::Constant(1e9)),
                    part(1.0, Law::Gamma { shape: 2.0, mean: 9.0 }),
                ],
            },
        ),
    ]
}

/// A change here changes every published number: it needs a new domain constant and a new major version.
#[test]
fn draws_and_samples_keep_their_bits() {
    let draws = Key::new(42, 7).draws(address(0x0123_4567_89ab_cdef));
    let mut lines: Vec<String> = (0..8).map(|lane| format!("lane {lane}: {:016x}", draws.bits(lane))).collect();
    lines.push(format!("uniform: {:016x}", draws.uniform(2).to_bits()));
    let mut substream = draws.substream(5);
    lines.push(format!("substream: {:016x} {:016x}", substream.next_u64(), substream.uniform().to_bits()));
    for (name, law) in laws() {
        let bits = [0, 6].map(|lane| format!("{:016x}", law.sample(&draws, lane).to_bits()));
        lines.push(format!("{name}: {}", bits.join(" ")));
    }
    assert_eq!(lines.join("\n"), GOLDEN.trim());
}

const GOLDEN: &str = "
lane 0: 7bfeb71cb910d5a9
lane 1: 7fc1cd7494a7a6eb
lane 2: a43ed6a3da0ad1c0
lane 3: 9d18dcf3870a0fa6
lane 4: 92c7571e2b4634c0
lane 5: ecb9515831119445
lane 6: 34bb16a125f552a7
lane 7: 4242319155a02822
uniform: 3fe487dad47b415a
substream: d38a595495a53202 3feddf3cb79c7cc2
constant: 4004000000000000 4004000000000000
exponential: 3ff531de6befdf06 3fdd85d16fc67476
erlang: 400dba751b1cc4fd 40039b55ac7b6741
gamma: 4019548725023ef5 400e2f8e668b5ad8
gamma, shape below one: 40153cddee62c380 40052b569e4de696
lognormal: 400c260da5d93ac0 3ffe2266319d254e
beta: 3fe32dd829356a08 3fe70bd11595b4c6
beta, tiny shapes: 3fbd5447fb75f3dd 3ff0000000000000
pareto: 3ffb9e74fea00421 3ff86a054ca5c6a2
uniform: 40039fe12ab15994 3ff9e3143e371e00
table: 3ff0000000000000 3fe3c6287c6e3c00
mixture: 3ff09b4b92c05239 3fd48caf52a3b862
";

#[test]
fn means_are_met_within_their_intervals() {
    const VARIATES: u64 = 20_000;
    let key = Key::new(1, 0);
    for (name, law) in laws() {
        law.validate().unwrap();
        let sample: Vec<f64> = (0..VARIATES).map(|entity| law.sample(&key.draws(address(entity)), 1)).collect();
        assert!(sample.iter().all(|x| x.is_finite() && *x >= 0.0), "{name}");
        let summary = Summary::of(&sample);
        // One false alarm in 10^5 under normality, for a fixed seed either never or always.
        let half = student_t_quantile(1.0 - 0.5e-5, (VARIATES - 1) as f64) * summary.sd.expect("many values")
            / (VARIATES as f64).sqrt();
        assert!((summary.mean - law.mean()).abs() <= half, "{name}: {} is not {}", summary.mean, law.mean());
    }
}

#[test]
fn spreads_are_those_of_the_laws() {
    let key = Key::new(2, 0);
    let sd = |law: &Law| {
        let sample: Vec<f64> = (0..20_000).map(|entity| law.sample(&key.draws(address(entity)), 0)).collect();
        Summary::of(&sample).sd.expect("many values")
    };
    let near = |got: f64, expected: f64| {
        assert!((got / expected - 1.0).abs() < 0.05, "{got} is not near {expected}");
    };
    near(sd(&Law::Erlang { shape: 4, mean: 2.0 }), 1.0);
    near(sd(&Law::Gamma { shape: 0.5, mean: 1.0 }), 2.0_f64.sqrt());
    near(sd(&Law::Beta { a: 2.0, b: 5.0 }), (10.0_f64 / (49.0 * 8.0)).sqrt());
    near(sd(&Law::Lognormal { mean: 1.0, sigma: 0.5 }), (libm::exp(0.25) - 1.0).sqrt());
}

#[test]
fn lanes_are_uniform_and_uncorrelated() {
    const BLOCKS: u64 = 4_000;
    let key = Key::new(3, 0);
    let draws: Vec<_> = (0..BLOCKS).map(|entity| key.draws(address(entity))).collect();
    for lane in 0..8 {
        let mean = draws.iter().map(|d| d.uniform(lane)).sum::<f64>() / BLOCKS as f64;
        let next = (lane + 1) % 8;
        let covariance =
            draws.iter().map(|d| (d.uniform(lane) - 0.5) * (d.uniform(next) - 0.5)).sum::<f64>() / BLOCKS as f64;
        // Five standard errors: sd 1/sqrt(12) of a uniform, 1/12 of a product of two.
        assert!((mean - 0.5).abs() < 5.0 / (12.0 * BLOCKS as f64).sqrt());
        assert!(covariance.abs() < 5.0 / 12.0 / (BLOCKS as f64).sqrt());
    }
}

#[test]
fn the_normal_quantile_inverts_the_distribution_function() {
    for p in [1e-300, 1e-20, 1e-5, 0.01, 0.074, 0.076, 0.3, 0.5, 0.6, 0.925, 0.99, 1.0 - 1e-9] {
        let back = 0.5 * libm::erfc(-normal_quantile(p) / std::f64::consts::SQRT_2);
        assert!((back / p - 1.0).abs() < 1e-12, "p {p} comes back as {back}");
    }
    // Published with the algorithm.
    assert!((normal_quantile(0.25) + 0.674_489_750_196_081_7).abs() < 1e-15);
    assert!((normal_quantile(0.001) + 3.090_232_306_167_814).abs() < 1e-14);
    assert!((normal_quantile(1e-20) + 9.262_340_089_798_41).abs() < 1e-13);
    assert_eq!(normal_quantile(0.0), f64::NEG_INFINITY);
    assert!(normal_quantile(1.5).is_nan());
}

#[test]
fn laws_of_one_uniform_rise_with_it() {
    let key = Key::new(4, 0);
    for (name, law) in laws() {
        if name.starts_with("gamma") || name.starts_with("beta") || name == "erlang" || name == "mixture" {
            continue;
        }
        let mut pairs: Vec<(f64, f64)> = (0..500)
            .map(|entity| key.draws(address(entity)))
            .map(|draws| (draws.uniform(0), law.sample(&draws, 0)))
            .collect();
        pairs.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        assert!(pairs.windows(2).all(|pair| pair[0].1 <= pair[1].1), "{name}");
    }
}

#[test]
fn faults_are_told_in_words() {
    let fault = |law: Law| law.validate().unwrap_err();
    assert_eq!(fault(Law::Constant(-1.0)), "constant is -1, but must not be negative");
    assert!(fault(Law::Exponential { mean: f64::NAN }).contains("finite"));
    assert!(fault(Law::Erlang { shape: 0, mean: 1.0 }).contains("at least one stage"));
    assert!(fault(Law::Gamma { shape: 0.0, mean: 1.0 }).contains("above 0"));
    assert!(fault(Law::Lognormal { mean: 1.0, sigma: f64::INFINITY }).contains("sigma is inf"));
    assert!(fault(Law::Beta { a: 1.0, b: 0.0 }).starts_with("b is 0"));
    assert!(fault(Law::Pareto { alpha: 1.0, mean: 1.0 }).contains("above 1"));
    assert!(fault(Law::Uniform { low: 2.0, high: 1.0 }).contains("low is 2"));
    assert!(fault(Law::Table { quantiles: vec![1.0] }).contains("at least two"));
    assert!(fault(Law::Table { quantiles: vec![1.0, 0.5] }).contains("quantiles[1] is 0.5"));
    assert!(fault(Law::Mixture { parts: vec![] }).contains("weights"));
    let part = Part { weight: 1.0, law: Law::Constant(f64::NAN) };
    assert!(fault(Law::Mixture { parts: vec![part] }).starts_with("parts[0].law: constant is NaN"));
}

#[test]
fn laws_are_written_by_name() {
    #[derive(serde::Deserialize)]
    struct Holder {
        laws: Vec<Law>,
    }
    let text = r"laws = [
        { constant = 3 },
        { lognormal = { mean = 2.0, sigma = 0.5 } },
        { table = { quantiles = [0, 1, 4] } },
        { mixture = { parts = [{ weight = 1, law = { exponential = { mean = 2 } } }] } },
    ]";
    let holder: Holder = toml::from_str(text).unwrap();
    assert_eq!(holder.laws[0], Law::Constant(3.0));
    assert_eq!(holder.laws[2].mean(), 1.5);
    let back: Vec<Law> = serde_json::from_str(&serde_json::to_string(&holder.laws).unwrap()).unwrap();
    assert_eq!(back, holder.laws);
    assert!(toml::from_str::<Holder>("laws = [{ exponential = { mean = 2, sigma = 1 } }]").is_err());
}
