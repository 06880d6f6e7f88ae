//! The client: one server, its keys, and one request from its sending to its whole reply.

use super::address::{Api, BaseUrl};
use super::clock::WallClock;
use super::ending::{Completion, TryError};
use super::secret::Secret;
use super::stream::{message_of, read_reply};
use super::transport::Job;
use super::waits;
use super::watch::Watch;
use crate::kernel::{Span, Time};
use std::cell::Cell;
use std::io::{self, BufReader, Read};
use std::sync::atomic::Ordering;
use std::time::Duration;
use ureq::SendBody;
use ureq::http::{HeaderMap, Uri};

/// Most bytes of an error's body that are read, and most characters of it that are told.
const MOST_ERROR_BYTES: u64 = 64 << 10;
const MOST_ERROR_CHARS: usize = 600;
/// Version of Anthropic's API that is spoken.
const ANTHROPIC_VERSION: &str = "2023-06-01";
/// Most bytes that are read after a whole reply, so that its connection can serve again.
const MOST_REST_BYTES: u64 = 64 << 10;
/// How to talk to the server.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// Where it is.
    pub base_url: BaseUrl,
    /// The key; empty for none.
    pub key: Secret,
    /// Connections kept open.
    pub connections: usize,
    /// Model that answers.
    pub model: String,
    /// Keys of other servers, which no text shows either.
    pub others: Vec<Secret>,
}

/// A client of one server.
#[derive(Debug)]
pub struct Client {
    agent: ureq::Agent,
    base_url: BaseUrl,
    key: Secret,
    model: String,
    others: Vec<Secret>,
}

impl Client {
    /// A client; talks to nobody yet.
    pub fn new(options: ClientOptions) -> Self {
        let mut config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_idle_connections(options.connections)
            .max_idle_connections_per_host(options.connections)
            // Common servers close what is idle for five seconds; a request must not meet that.
            .max_idle_age(Duration::from_secs(4))
            .user_agent(concat!("delm-sim/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(Duration::from_secs(15)));
        if options.base_url.is_loopback() {
            config = config.proxy(None);
        }
        let ClientOptions { base_url, key, model, others, .. } = options;
        Self { agent: config.build().into(), base_url, key, model, others }
    }

    /// Where requests go, without secrets.
    pub fn url(&self) -> String {
        self.base_url.shown(&self.model)
    }

    /// Model that answers.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// What the server speaks.
    pub fn api(&self) -> Api {
        self.base_url.api()
    }

    /// The names of the models that the server offers: a free question that shows whether anybody is there.
    ///
    /// # Errors
    /// As for a try. Only a connection error says that calls will fail as well.
    pub fn models(&self) -> Result<Vec<String>, TryError> {
        let config = self.agent.get(self.base_url.models()).config().timeout_global(Some(Duration::from_secs(15)));
        let mut response =
            self.versioned(self.authorised(config.build())).call().map_err(|e| self.lost(&e, !is_silence(&e)))?;
        let status = response.status().as_u16();
        let mut body = Vec::new();
        let read = response.body_mut().as_reader().take(1 << 20).read_to_end(&mut body);
        if status >= 300 {
            return Err(self.refused(status, response.headers(), &body));
        }
        read.map_err(|e| TryError::Broken { what: self.clean(&e.to_string()) })?;
        let value: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        let names = value.get("data").and_then(|d| d.as_array()).into_iter().flatten();
        Ok(names.filter_map(|m| Some(self.clean(m.get("id")?.as_str()?))).collect())
    }

    fn authorised<B>(&self, builder: ureq::RequestBuilder<B>) -> ureq::RequestBuilder<B> {
        if self.key.is_empty() {
            return builder;
        }
        match self.api() {
            Api::OpenAi => builder.header("authorization", format!("Bearer {}", self.key.reveal())),
            Api::Anthropic => builder.header("x-api-key", self.key.reveal()),
            Api::Azure => builder.header("api-key", self.key.reveal()),
        }
    }

    /// What goes with every request of an API, besides the key.
    fn versioned<B>(&self, builder: ureq::RequestBuilder<B>) -> ureq::RequestBuilder<B> {
        match self.api() {
            Api::Anthropic => builder.header("anthropic-version", ANTHROPIC_VERSION),
            Api::OpenAi | Api::Azure => builder,
        }
    }

    /// A text without any key.
    fn clean(&self, text: &str) -> String {
        self.others.iter().fold(self.key.clean(text), |text, key| key.clean(&text))
    }

    /// As `clean`, of a text whose end was cut off.
    fn clean_cut(&self, text: &str) -> String {
        self.others.iter().fold(self.key.clean_cut(text), |text, key| key.clean_cut(&text))
    }

    /// One request, from its sending to its whole reply; and what is left of the answer, if anything.
    pub(super) fn ask(
        &self,
        job: &Job,
        clock: &WallClock,
        watch: &Watch,
    ) -> (Result<Completion, TryError>, Option<Rest>) {
        let mut rest = None;
        (self.asked(job, clock, watch, &mut rest), rest)
    }

    fn asked(
        &self,
        job: &Job,
        clock: &WallClock,
        watch: &Watch,
        rest: &mut Option<Rest>,
    ) -> Result<Completion, TryError> {
        let body = serde_json::to_vec(&job.body).expect("a body is plain JSON");
        // The transport keeps the deadline; this one only ends the thread.
        let limit = Duration::from_nanos((job.timeout + Span::from_nanos(1_000_000_000)).as_nanos());
        let post = self.agent.post(self.base_url.chat(&self.model)).config().timeout_global(Some(limit)).build();
        let left = Cell::new(false);
        let mut reader = Noticed { body: &body, left: &left };
        let sent = self
            .versioned(self.authorised(post))
            .header("content-type", "application/json")
            .header("content-length", body.len().to_string())
            .header("accept", "text/event-stream, application/json")
            .send(SendBody::from_reader(&mut reader));
        let mut response = sent.map_err(|e| self.lost(&e, !left.get()))?;
        let status = response.status().as_u16();
        if status >= 300 {
            let mut body = Vec::new();
            // Half an error says enough.
            let _ = response.body_mut().as_reader().take(MOST_ERROR_BYTES).read_to_end(&mut body);
            return Err(self.refused(status, response.headers(), &body));
        }
        let mut reader = BufReader::new(response.into_body().into_reader());
        let now = || {
            let now: Time = clock.now();
            watch.heard_at.store(now.as_nanos().max(1), Ordering::Release);
            if watch.stop.load(Ordering::Acquire) {
                return Err(TryError::Broken { what: "nobody waits for it".to_owned() });
            }
            Ok(now)
        };
        let mut done = read_reply(&mut reader, now).map_err(|error| self.cleaned(error))?;
        *rest = Some(Rest(Box::new(reader)));
        done.text = self.clean(&done.text);
        for text in [&mut done.model, &mut done.id, &mut done.finish_reason].into_iter().flatten() {
            *text = self.clean(text);
        }
        Ok(done)
    }

    /// Without the key, and only then cut and made one line.
    fn told(&self, what: &str) -> String {
        one_line(&self.clean(what))
    }

    fn cleaned(&self, error: TryError) -> TryError {
        match error {
            TryError::Broken { what } => TryError::Broken { what: self.told(&what) },
            TryError::Timeout { what } => TryError::Timeout { what: self.told(&what) },
            TryError::Connection { what, sent } => TryError::Connection { what: self.told(&what), sent },
            status @ TryError::Status { .. } => status,
        }
    }

    fn refused(&self, status: u16, headers: &HeaderMap, body: &[u8]) -> TryError {
        let header = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
        let value = serde_json::from_slice::<serde_json::Value>(body).ok();
        let clean = match &value {
            Some(value) => self.clean(&message_of(value)),
            None if body.len() as u64 >= MOST_ERROR_BYTES => self.clean_cut(&String::from_utf8_lossy(body)),
            None => self.clean(&String::from_utf8_lossy(body)),
        };
        let mut message = one_line(&clean);
        if let Some(to) = header("location").filter(|_| (300..400).contains(&status)) {
            let parsed: Option<Uri> = to.parse().ok();
            let port = |uri: &Uri| uri.port_u16().map_or(String::new(), |port| format!(":{port}"));
            let host = parsed.and_then(|uri| Some(format!("{}://{}{}", uri.scheme_str()?, uri.host()?, port(&uri))));
            let host = self.clean(&host.unwrap_or_else(|| "another path".to_owned()));
            message = format!("it redirects to {host}; {message}");
        }
        let retry_after = waits::asked(&header, value.as_ref(), &message, status == 429);
        TryError::Status { status, message, retry_after }
    }

    fn lost(&self, error: &ureq::Error, unsent: bool) -> TryError {
        let what = self.told(&error.to_string());
        match error {
            ureq::Error::Timeout(_) if !unsent => TryError::Timeout { what },
            _ => TryError::Connection { what, sent: !unsent },
        }
    }
}

/// One line of bounded length.
fn one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty());
    words.collect::<Vec<_>>().join(" ").chars().take(MOST_ERROR_CHARS).collect()
}

/// Whether somebody was there who did not answer in time.
fn is_silence(error: &ureq::Error) -> bool {
    !matches!(error, ureq::Error::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve))
        && matches!(error, ureq::Error::Timeout(_))
}

/// A body that notices when somebody begins to read it: not before there is a connection.
struct Noticed<'a> {
    body: &'a [u8],
    left: &'a Cell<bool>,
}

impl Read for Noticed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.left.set(true);
        self.body.read(buffer)
    }
}

/// What a server sends after a whole reply: nothing of use, but only a body that was read to its end gives its
/// connection back.
pub(super) struct Rest(Box<dyn Read>);

impl Rest {
    /// Reads to the end; at most as long as the request may take.
    pub(super) fn drain(self) {
        let _ = io::copy(&mut self.0.take(MOST_REST_BYTES), &mut io::sink());
    }
}
