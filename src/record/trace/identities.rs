//! Identities that hold in every run, in integers.

use super::summary::{SubtaskCounts, Summary};
use crate::kernel::SpanSum;
use crate::model::note::Phase;

impl Summary {
    /// The first identity that is broken. Only for runs that came to their end and were measured whole.
    pub fn broken_identity(&self) -> Option<String> {
        let agents = u128::from(self.team().workers) + u128::from(self.team().leads);
        let span: u128 = self.makespans.iter().map(|t| u128::from(t.as_nanos())).sum();
        let spent: SpanSum = Phase::ALL.iter().map(|p| self.workers.of(*p) + self.leads.of(*p)).sum();
        let owed = agents * span;
        if spent.as_nanos() != owed {
            return Some(format!("agent time: phases sum to {} ns, agents x makespan is {owed} ns", spent.as_nanos()));
        }
        for (purpose, c) in crate::model::call::Purpose::ALL.iter().zip(&self.calls) {
            if c.issued != c.answered + c.failed + c.cancelled {
                return Some(format!(
                    "{} calls: {} issued, {} answered, {} failed, {} cancelled",
                    purpose.name(),
                    c.issued,
                    c.answered,
                    c.failed,
                    c.cancelled
                ));
            }
            if c.usage.cached_tokens + c.usage.cache_write_tokens > c.usage.prompt_tokens {
                return Some(format!("{}: more cached than prompt tokens", purpose.name()));
            }
        }
        if self.in_flight != 0 {
            return Some(format!("{} calls in flight after the end", self.in_flight));
        }
        let g = &self.gate;
        if g.proposed != g.admitted + g.rejected + g.withdrawn {
            return Some(format!(
                "gate: {} proposed, {} admitted, {} rejected, {} withdrawn",
                g.proposed, g.admitted, g.rejected, g.withdrawn
            ));
        }
        let SubtaskCounts { created, done, abandoned, .. } = self.subtasks;
        if created < done + abandoned {
            return Some(format!("queue: {created} created, {done} done, {abandoned} abandoned"));
        }
        None
    }
}
