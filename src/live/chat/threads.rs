//! The real transport: one thread per request in flight, arrivals over a channel, deadlines kept here.
//!
//! ```text
//! send -> thread: Client::ask -> channel -> next
//!   '-> deadline passed: a timeout arrives instead, and what the thread brings later is thrown away
//! ```

use super::client::Client;
use super::clock::WallClock;
use super::ending::TryError;
use super::transport::{Arrival, Job, Transport};
use super::watch::Watch;
use crate::kernel::{Span, Time};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

/// How often a waiting transport looks whether somebody interrupted.
const LOOK: Duration = Duration::from_millis(50);

struct Flight {
    sent_at: Time,
    timeout: Span,
    silence: Span,
    watch: Arc<Watch>,
}

impl Flight {
    /// When it is too late: for the whole answer, or for its next bytes.
    fn deadline(&self) -> Time {
        let whole = self.sent_at + self.timeout;
        match self.watch.heard_at.load(Ordering::Acquire) {
            0 => whole,
            heard => whole.min(Time::from_nanos(heard) + self.silence),
        }
    }
}

/// Requests by threads.
pub struct Threads {
    /// By endpoint; the first one serves endpoints that have none of their own.
    clients: Vec<Arc<Client>>,
    clock: Arc<WallClock>,
    sender: Sender<Arrival>,
    receiver: Receiver<Arrival>,
    flights: BTreeMap<u64, Flight>,
    interrupted: Arc<AtomicBool>,
    /// The interruption was told by an early return.
    told: bool,
}

impl Threads {
    /// A transport over a client; setting `interrupted` makes it return early.
    pub fn new(client: Arc<Client>, interrupted: Arc<AtomicBool>) -> Self {
        Self::of(vec![client], interrupted)
    }

    /// The same with a client for each endpoint, by its number; the first one serves those beyond.
    ///
    /// # Panics
    /// Without any client.
    pub fn of(clients: Vec<Arc<Client>>, interrupted: Arc<AtomicBool>) -> Self {
        assert!(!clients.is_empty(), "somebody must be asked");
        let (sender, receiver) = channel();
        Self { clients, clock: Arc::default(), sender, receiver, flights: BTreeMap::new(), interrupted, told: false }
    }

    /// The flight that ran into its time limit first, and when.
    fn deadline(&self) -> Option<(Time, u64)> {
        self.flights.iter().map(|(job, f)| (f.deadline(), *job)).min()
    }

    fn late(&mut self, at: Time, job: u64) -> Arrival {
        let flight = self.flights.remove(&job).expect("a flight has a deadline");
        flight.watch.stop.store(true, Ordering::Release);
        let what = if at < flight.sent_at + flight.timeout {
            format!("the answer fell silent for {} s", flight.silence.as_secs_f64())
        } else {
            format!("no whole answer within {} s", flight.timeout.as_secs_f64())
        };
        Arrival { job, sent_at: flight.sent_at, at, end: Err(TryError::Timeout { what }) }
    }
}

impl Transport for Threads {
    fn now(&self) -> Time {
        self.clock.now()
    }

    fn set(&mut self, now: Time) {
        self.clock.set(now);
    }

    fn send(&mut self, job: Job) {
        let watch = Arc::<Watch>::default();
        let flight =
            Flight { sent_at: self.clock.now(), timeout: job.timeout, silence: job.silence, watch: watch.clone() };
        let client = self.clients.get(job.endpoint.index()).unwrap_or(&self.clients[0]).clone();
        let (clock, sender) = (self.clock.clone(), self.sender.clone());
        let number = job.number;
        let asked_at = flight.sent_at;
        self.flights.insert(number, flight);
        let work = move || {
            let sent_at = clock.now();
            let (end, rest) = client.ask(&job, &clock, &watch);
            // Nobody listens once the run is over.
            let _ = sender.send(Arrival { job: number, sent_at, at: clock.now(), end });
            // After the arrival: a server that never ends its answer keeps nobody waiting.
            if let Some(rest) = rest {
                rest.drain();
            }
        };
        if let Err(error) = thread::Builder::new().name(format!("try-{number}")).spawn(work) {
            let end = Err(TryError::Connection { what: format!("no thread: {error}"), sent: false });
            let _ = self.sender.send(Arrival { job: number, sent_at: asked_at, at: self.clock.now(), end });
        }
    }

    fn next(&mut self, until: Option<Time>) -> Option<Arrival> {
        loop {
            while let Ok(arrival) = self.receiver.try_recv() {
                if self.flights.remove(&arrival.job).is_some() {
                    return Some(arrival);
                }
            }
            let now = self.clock.now();
            let deadline = self.deadline();
            if let Some((at, job)) = deadline.filter(|(at, _)| *at <= now) {
                return Some(self.late(at.max(now), job));
            }
            if self.is_interrupted() && !self.told {
                self.told = true;
                return None;
            }
            if until.is_some_and(|until| until <= now) {
                return None;
            }
            let wake = until.into_iter().chain(deadline.map(|(at, _)| at)).min()?;
            let wait = Duration::from_nanos((wake - now).as_nanos()).min(LOOK);
            match self.receiver.recv_timeout(wait) {
                Ok(arrival) if self.flights.remove(&arrival.job).is_some() => return Some(arrival),
                Ok(_) | Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
        }
    }

    fn abandon(&mut self, job: u64) {
        if let Some(flight) = self.flights.remove(&job) {
            flight.watch.stop.store(true, Ordering::Release);
        }
    }

    fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Acquire)
    }
}
