//! Real calls: ranges of the table `[live]`.

use super::{Judge, key};
use crate::experiment::faults::KeyPath;
use crate::experiment::scenario::Scenario;
use crate::live::chat::{BaseUrl, is_variable_name};
use crate::live::programs::ProgramsSpec;
use crate::live::questions::Source;
use crate::model::endpoint::LiveServer;
use crate::model::workload::WorkloadSpec;

impl Judge {
    /// The server of an endpoint. Values that may be keys are not shown.
    pub(super) fn live_server(&mut self, path: &KeyPath, live: &LiveServer) {
        if let Err(why) = BaseUrl::parse(&live.base_url) {
            self.fault(path.with("base_url"), why, "write the address of a server, as https://api.openai.com/v1");
        }
        if live.model.trim().is_empty() {
            self.fault(path.with("model"), "is empty", "name the model that answers");
        }
        if live.key_env.as_ref().is_some_and(|name| !is_variable_name(name)) {
            let mend = "write the name of the environment variable that holds the key, never the key itself";
            self.fault(path.with("key_env"), "is no name of an environment variable", mend);
        }
        if let Some(n) = live.concurrency {
            self.count(path.with("concurrency"), n, 1024);
        }
    }

    fn programs(&mut self, programs: &ProgramsSpec) {
        let at = |name: &str| key("live").with("programs").with(name);
        self.count(at("limit"), programs.limit, 1_000_000);
        if programs.command.first().is_none_or(|program| program.trim().is_empty()) {
            self.fault(at("command"), "names no program", "write what runs a program, as [\"python3\"]");
        }
        self.within(at("seconds"), programs.seconds, 0.1, 3600.0, "write seconds");
        self.count(at("memory_mb"), programs.memory_mb, 1 << 20);
        self.count(at("output_kb"), programs.output_kb, 1 << 20);
        self.count(at("step_tokens"), programs.step_tokens, 1_000_000);
    }

    pub(super) fn live(&mut self, s: &Scenario) {
        let Some(live) = &s.live else { return };
        let at = |name: &str| key("live").with(name);
        match (&s.workload, &live.programs) {
            (WorkloadSpec::Search(_), None) => {
                let mend = "add [live.programs], problems that programs solve, or use [workload.divide]: live questions \
                            have documents to read";
                self.fault(key("live"), "needs the workload `divide`, or problems for `search`", mend);
            }
            (WorkloadSpec::Search(_), Some(programs)) => self.programs(programs),
            (_, Some(_)) => {
                self.fault(at("programs"), "needs the workload `search`", "leave it out, or use [workload.search]");
            }
            (_, None) => {}
        }
        self.within(at("temperature"), live.temperature, 0.0, 2.0, "write a temperature; 0 for none");
        for (name, x) in [("timeout_s", live.timeout_s), ("silence_s", live.silence_s)] {
            self.within(at(name), x, 0.001, 86_400.0, "write seconds");
        }
        let most = live.max_scheduling_delay_ms;
        self.within(at("max_scheduling_delay_ms"), most, 0.0, 1e9, "write milliseconds");
        self.count(at("questions").with("limit"), live.questions.limit, 1_000_000);
        if let Source::Generated(spec) = &live.questions.source
            && let Err(error) = spec.check()
        {
            self.fault(at("questions"), error.to_string(), "mend the numbers of the generator");
        }
        let desk = &live.desk;
        self.count(at("desk").with("documents_per_subtask"), desk.documents_per_subtask, 1_000_000);
        let tokens = [
            ("step_tokens", desk.step_tokens),
            ("verify_tokens", desk.verify_tokens),
            ("unfold_tokens", desk.unfold_tokens),
            ("more_tokens", desk.more_tokens),
            ("plan_tokens", desk.plan_tokens),
            ("merge_tokens", desk.merge_tokens),
            ("answer_tokens", desk.answer_tokens),
            ("product_tokens", desk.product_tokens),
        ];
        for (name, n) in tokens {
            self.count(at("desk").with(name), n, 1_000_000);
        }
        self.within(
            at("desk").with("form_tokens"),
            desk.form_tokens.into(),
            0.0,
            1e6,
            "write a whole number of tokens",
        );
    }
}
