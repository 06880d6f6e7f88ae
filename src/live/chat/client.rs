//! The client: where the server is, the key, and one request from its sending to its whole reply.

use super::clock::{WallClock, retry_after};
use super::ending::{Completion, TryError};
use super::secret::Secret;
use super::stream::{message_of, read_reply};
use super::transport::Job;
use super::watch::Watch;
use crate::kernel::{Span, Time};
use std::cell::Cell;
use std::fmt;
use std::io::{self, BufReader, Read};
use std::sync::atomic::Ordering;
use std::time::Duration;
use ureq::SendBody;
use ureq::http::{HeaderMap, Uri};

/// Most bytes of an error's body that are read, and most characters of it that are told.
const MOST_ERROR_BYTES: u64 = 64 << 10;
const MOST_ERROR_CHARS: usize = 600;
/// Most bytes that are read after a whole reply, so that its connection can serve again.
const MOST_REST_BYTES: u64 = 64 << 10;
/// Parts of the names of query parameters that hold keys.
const KEY_WORDS: [&str; 7] = ["key", "token", "secret", "password", "auth", "sig", "credential"];

/// Where the server is. Shows itself without what a query may hide.
#[derive(Clone, PartialEq, Eq)]
pub struct BaseUrl {
    /// Up to the path, without a slash at its end.
    base: String,
    query: Option<String>,
    host: String,
}

impl BaseUrl {
    /// Reads `http(s)://host[:port][/path][?query]`. Without a path, `/v1` is meant.
    ///
    /// # Errors
    /// What is wrong with it; never with the text itself, which may hold a key.
    pub fn parse(text: &str) -> Result<Self, String> {
        let uri: Uri = text.trim().parse().map_err(|_| "is no URL; write https://HOST/v1".to_owned())?;
        let scheme = uri.scheme_str().unwrap_or_default();
        if !matches!(scheme, "http" | "https") {
            return Err("must begin with http:// or https://".to_owned());
        }
        let authority = uri.authority().ok_or("names no host")?;
        if authority.as_str().contains('@') {
            return Err("must not hold a user or password; give a key in OPENAI_API_KEY".to_owned());
        }
        let names = uri.query().unwrap_or_default().split('&').map(|part| part.split('=').next().unwrap_or_default());
        for name in names.map(str::to_ascii_lowercase) {
            if let Some(word) = KEY_WORDS.iter().find(|word| name.contains(**word)) {
                return Err(format!(
                    "must not hold a key in its query (\"{word}\" in a name there); give it in OPENAI_API_KEY"
                ));
            }
        }
        let path = uri.path().trim_end_matches('/');
        let path = path.strip_suffix("/chat/completions").unwrap_or(path);
        let path = if path.is_empty() { "/v1" } else { path };
        Ok(Self {
            base: format!("{scheme}://{authority}{path}"),
            query: uri.query().map(str::to_owned),
            host: authority.host().to_owned(),
        })
    }

    fn at(&self, path: &str) -> String {
        match &self.query {
            Some(query) => format!("{}{path}?{query}", self.base),
            None => format!("{}{path}", self.base),
        }
    }

    fn is_loopback(&self) -> bool {
        matches!(self.host.as_str(), "localhost" | "[::1]" | "0.0.0.0") || self.host.starts_with("127.")
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.base)
    }
}

impl fmt::Debug for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.base)
    }
}

/// How to talk to the server.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// Where it is.
    pub base_url: BaseUrl,
    /// The key; empty for none.
    pub key: Secret,
    /// Connections kept open.
    pub connections: usize,
}

/// A client of one server.
#[derive(Debug)]
pub struct Client {
    agent: ureq::Agent,
    base_url: BaseUrl,
    key: Secret,
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
        Self { agent: config.build().into(), base_url: options.base_url, key: options.key }
    }

    /// Where requests go, without secrets.
    pub fn url(&self) -> String {
        format!("{}/chat/completions", self.base_url)
    }

    /// The names of the models that the server offers: a free question that shows whether anybody is there.
    ///
    /// # Errors
    /// As for a try. Only a connection error says that calls will fail as well.
    pub fn models(&self) -> Result<Vec<String>, TryError> {
        let config = self.agent.get(self.base_url.at("/models")).config().timeout_global(Some(Duration::from_secs(15)));
        let mut response = self.authorised(config.build()).call().map_err(|e| self.lost(&e, !is_silence(&e)))?;
        let status = response.status().as_u16();
        let mut body = Vec::new();
        let read = response.body_mut().as_reader().take(1 << 20).read_to_end(&mut body);
        if status >= 300 {
            return Err(self.refused(status, response.headers(), &body));
        }
        read.map_err(|e| TryError::Broken { what: self.key.clean(&e.to_string()) })?;
        let value: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        let names = value.get("data").and_then(|d| d.as_array()).into_iter().flatten();
        Ok(names.filter_map(|m| Some(self.key.clean(m.get("id")?.as_str()?))).collect())
    }

    fn authorised<B>(&self, builder: ureq::RequestBuilder<B>) -> ureq::RequestBuilder<B> {
        if self.key.is_empty() {
            return builder;
        }
        builder.header("authorization", format!("Bearer {}", self.key.reveal()))
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
        let post = self.agent.post(self.base_url.at("/chat/completions")).config().timeout_global(Some(limit)).build();
        let left = Cell::new(false);
        let mut reader = Noticed { body: &body, left: &left };
        let sent = self
            .authorised(post)
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
        done.text = self.key.clean(&done.text);
        for text in [&mut done.model, &mut done.id, &mut done.finish_reason].into_iter().flatten() {
            *text = self.key.clean(text);
        }
        Ok(done)
    }

    /// Without the key, and only then cut and made one line.
    fn told(&self, what: &str) -> String {
        one_line(&self.key.clean(what))
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
        let clean = match serde_json::from_slice::<serde_json::Value>(body) {
            Ok(value) => self.key.clean(&message_of(&value)),
            Err(_) if body.len() as u64 >= MOST_ERROR_BYTES => self.key.clean_cut(&String::from_utf8_lossy(body)),
            Err(_) => self.key.clean(&String::from_utf8_lossy(body)),
        };
        let mut message = one_line(&clean);
        if let Some(to) = header("location").filter(|_| (300..400).contains(&status)) {
            let parsed: Option<Uri> = to.parse().ok();
            let port = |uri: &Uri| uri.port_u16().map_or(String::new(), |port| format!(":{port}"));
            let host = parsed.and_then(|uri| Some(format!("{}://{}{}", uri.scheme_str()?, uri.host()?, port(&uri))));
            let host = self.key.clean(&host.unwrap_or_else(|| "another path".to_owned()));
            message = format!("it redirects to {host}; {message}");
        }
        let retry_after = header("retry-after").and_then(|after| retry_after(after, header("date")));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_urls_of_many_spellings_lead_to_one_place() {
        let url = |text: &str| BaseUrl::parse(text).unwrap().at("/chat/completions");
        for text in ["http://h:1", "http://h:1/", "http://h:1/v1", "http://h:1/v1/", "http://h:1/v1/chat/completions"] {
            assert_eq!(url(text), "http://h:1/v1/chat/completions", "{text}");
        }
        assert_eq!(
            url("https://h/openai/deployments/x?api-version=1"),
            "https://h/openai/deployments/x/chat/completions?api-version=1"
        );
        assert_eq!(BaseUrl::parse("https://h/x?api-version=1").unwrap().to_string(), "https://h/x");
        let query = ["https://h/x?key=geheim", "https://h/x?a=1&api_key=geheim", "https://h/x?Access-Token=geheim"];
        for bad in ["ftp://h", "h:1", "", "http://user:pass@h/"].iter().chain(&query) {
            let why = BaseUrl::parse(bad).unwrap_err();
            assert!(!why.contains("geheim"), "{bad}: {why}");
        }
    }
}
