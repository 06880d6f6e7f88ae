//! What every form of control has in common: it hears of its own calls and timers, once each.
//!
//! Invariant: a form hears of a call only while the call is open; what was cancelled is never told.

use crate::kernel::Time;
use crate::model::call::{CallError, Reply};
use crate::model::ids::TimerId;
use crate::policy::calls::InFlight;
use crate::policy::protocol::{Event, Outbox, Policy};

/// A form of control, by the kinds of events.
pub(crate) trait Form: Send {
    /// What a call was made for.
    type For;

    /// Its open calls.
    fn calls(&mut self) -> &mut InFlight<Self::For>;

    /// The task has arrived.
    fn start(&mut self, out: &mut Outbox);

    /// A call was answered.
    fn replied(&mut self, what: Self::For, reply: &Reply, out: &mut Outbox);

    /// A call failed for good.
    fn failed(&mut self, what: Self::For, error: CallError, out: &mut Outbox);

    /// A timer ran out.
    fn timer(&mut self, timer: TimerId, out: &mut Outbox);
}

impl<F: Form> Policy for F {
    fn handle(&mut self, _now: Time, event: &Event, out: &mut Outbox) {
        match event {
            Event::Started => self.start(out),
            Event::Replied(call, reply) => {
                if let Some(what) = self.calls().take(*call) {
                    self.replied(what, reply, out);
                }
            }
            Event::Failed(call, error) => {
                if let Some(what) = self.calls().take(*call) {
                    self.failed(what, *error, out);
                }
            }
            Event::TimerFired(timer) => self.timer(*timer, out),
        }
    }
}
