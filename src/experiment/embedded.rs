//! Scenarios and presets that the binary carries. A test checks that the lists hold every file of `scenarios/`.

/// Scenarios by name, the default first.
pub const SCENARIOS: &[(&str, &str)] = &[
    ("swe-verified", include_str!("../../scenarios/swe-verified.toml")),
    ("multi-doc-qa", include_str!("../../scenarios/multi-doc-qa.toml")),
    ("controller-bottleneck", include_str!("../../scenarios/controller-bottleneck.toml")),
    ("no-advantage", include_str!("../../scenarios/no-advantage.toml")),
    ("no-advantage-chain", include_str!("../../scenarios/no-advantage-chain.toml")),
    ("live-multi-doc-qa", include_str!("../../scenarios/live-multi-doc-qa.toml")),
    ("no-advantage-alone", include_str!("../../scenarios/no-advantage-alone.toml")),
    ("hurts-correlated-verifier", include_str!("../../scenarios/hurts-correlated-verifier.toml")),
    ("hurts-false-notes", include_str!("../../scenarios/hurts-false-notes.toml")),
    ("hurts-wrong-patches", include_str!("../../scenarios/hurts-wrong-patches.toml")),
    ("hurts-herding", include_str!("../../scenarios/hurts-herding.toml")),
    ("hurts-long-prompts", include_str!("../../scenarios/hurts-long-prompts.toml")),
];

/// Endpoint presets by name.
pub const PRESETS: &[(&str, &str)] = &[
    ("claude-haiku-4-5", include_str!("../../scenarios/presets/claude-haiku-4-5.toml")),
    ("claude-opus-4-5", include_str!("../../scenarios/presets/claude-opus-4-5.toml")),
    ("claude-opus-4-6", include_str!("../../scenarios/presets/claude-opus-4-6.toml")),
    ("claude-sonnet-4", include_str!("../../scenarios/presets/claude-sonnet-4.toml")),
    ("claude-sonnet-4-5", include_str!("../../scenarios/presets/claude-sonnet-4-5.toml")),
    ("tool-coding-agent", include_str!("../../scenarios/presets/tool-coding-agent.toml")),
    ("tool-swe-bash", include_str!("../../scenarios/presets/tool-swe-bash.toml")),
];

/// The scenario that is run when none is named.
pub const DEFAULT: &str = "swe-verified";

/// The text of an embedded scenario.
pub fn scenario(name: &str) -> Option<&'static str> {
    find(SCENARIOS, name)
}

/// The text of an embedded preset.
pub fn preset(name: &str) -> Option<&'static str> {
    find(PRESETS, name)
}

fn find(table: &[(&str, &'static str)], name: &str) -> Option<&'static str> {
    table.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_folder_is_embedded() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
        for (folder, table) in [(root.clone(), SCENARIOS), (root.join("presets"), PRESETS)] {
            for entry in std::fs::read_dir(&folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.extension().is_some_and(|e| e == "toml") {
                    let name = path.file_stem().unwrap().to_str().unwrap();
                    assert!(find(table, name).is_some(), "add {name} to embedded.rs");
                }
            }
        }
    }
}
