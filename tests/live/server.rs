//! A chat-completions server on the loopback interface that can misbehave, and remembers what it was asked.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What the server does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// A streamed answer of the form that was asked for.
    Answer,
    /// A streamed answer with this text.
    Say(String),
    /// A streamed answer with this text and this finish reason.
    Ends(String, &'static str),
    /// The same in one document.
    Document(String),
    /// An answer after a while.
    Late(Duration, Box<Act>),
    /// An error status with headers and a message.
    Status(u16, &'static str, String),
    /// An error status with a whole body.
    Refusal(u16, String),
    /// The first half of a stream, then the connection is closed.
    Half,
    /// The first half of a stream, then nothing for a long time.
    Silent,
    /// A body that is no chat completion.
    Garbage,
    /// These bytes, whatever they are; the connection stays open.
    Raw(String),
    /// Nothing, for a long time.
    Never,
}

/// A request that came.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// Number, from 0.
    pub(crate) number: u64,
    /// The body.
    pub(crate) body: Value,
    /// The header `authorization`.
    pub(crate) key: String,
    /// Path with its query.
    pub(crate) path: String,
    /// All headers, names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
}

impl Asked {
    /// All messages as one text.
    pub(crate) fn words(&self) -> String {
        self.body["messages"].to_string()
    }
}

/// What became of a request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Entry {
    /// The whole reply was written to the socket: its text and billed tokens.
    pub(crate) answered: Option<(String, u64)>,
}

/// The server; it ends with the test process.
pub(crate) struct Server {
    port: u16,
    log: Arc<Mutex<Vec<Entry>>>,
    connections: Arc<AtomicU64>,
}

impl Server {
    /// The same at another path.
    pub(crate) fn at(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// A server that does what `act` says.
    pub(crate) fn start(act: impl Fn(&Asked) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let log = Arc::new(Mutex::new(Vec::new()));
        let (entries, act, count) = (log.clone(), Arc::new(act), Arc::new(AtomicU64::new(0)));
        let connections = Arc::new(AtomicU64::new(0));
        let opened = connections.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                opened.fetch_add(1, Ordering::SeqCst);
                let (log, act, count) = (entries.clone(), act.clone(), count.clone());
                std::thread::spawn(move || {
                    let mut reader = BufReader::new(stream.try_clone().unwrap());
                    while let Some((path, headers, body)) = request(&mut reader) {
                        if path.split('?').next().unwrap().ends_with("/models") {
                            reply(&stream, 200, "", &json!({"data": [{"id": "scripted"}]}).to_string());
                            continue;
                        }
                        let key = headers.get("authorization").cloned().unwrap_or_default();
                        let asked = Asked { number: count.fetch_add(1, Ordering::SeqCst), body, key, path, headers };
                        let place = {
                            let mut log: std::sync::MutexGuard<Vec<Entry>> = log.lock().unwrap();
                            log.push(Entry::default());
                            log.len() - 1
                        };
                        let (answered, goes_on) = perform(&stream, &asked, act(&asked));
                        log.lock().unwrap()[place].answered = answered;
                        if !goes_on {
                            let _ = stream.shutdown(std::net::Shutdown::Both);
                            return;
                        }
                    }
                });
            }
        });
        Self { port, log, connections }
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/v1", self.port)
    }

    /// What it was asked so far.
    pub(crate) fn log(&self) -> Vec<Entry> {
        self.log.lock().unwrap().clone()
    }

    /// Requests so far.
    pub(crate) fn requests(&self) -> usize {
        self.log.lock().unwrap().len()
    }

    /// Connections that were opened to it.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst) as usize
    }

    /// Tokens it billed for whole answers.
    pub(crate) fn billed(&self) -> u64 {
        self.log().iter().filter_map(|e| Some(e.answered.as_ref()?.1)).sum()
    }
}

fn request(reader: &mut BufReader<TcpStream>) -> Option<(String, BTreeMap<String, String>, Value)> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|n| *n > 0)?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = BTreeMap::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok().filter(|n| *n > 0)?;
        let Some((name, value)) = header.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").map_or(Some(0), |n| n.parse().ok())?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((path, headers, serde_json::from_slice(&body).unwrap_or_default()))
}

fn reply(mut stream: &TcpStream, status: u16, headers: &str, body: &str) -> bool {
    let text = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n{headers}content-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(text.as_bytes()).and_then(|()| stream.flush()).is_ok()
}

/// What became of the reply, and whether the connection goes on.
fn perform(mut stream: &TcpStream, asked: &Asked, act: Act) -> (Option<(String, u64)>, bool) {
    match act {
        Act::Late(wait, act) => {
            std::thread::sleep(wait);
            perform(stream, asked, *act)
        }
        Act::Answer => {
            let text = fitting(&schema(&asked.body), asked.number as usize).to_string();
            perform(stream, asked, Act::Say(text))
        }
        Act::Say(text) => perform(stream, asked, Act::Ends(text, "stop")),
        Act::Ends(text, reason) => {
            let usage = usage(asked, &text);
            let mut body = String::from(": a comment\n\n");
            let middle = text.char_indices().nth(text.chars().count() / 2).map_or(0, |(i, _)| i);
            for part in [&text[..middle], &text[middle..]] {
                let chunk = json!({"id": "c", "model": "scripted-1", "choices": [{"delta": {"content": part}}]});
                let _ = write!(body, "data: {chunk}\n\n");
            }
            let _ = write!(body, "data: {}\n\n", json!({"choices": [{"delta": {}, "finish_reason": reason}]}));
            let _ = write!(body, "data: {}\n\n", json!({"choices": [], "usage": usage}));
            body += "data: [DONE]\n\n";
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
            let whole = format!("{head}{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
            let written = stream.write_all(whole.as_bytes()).and_then(|()| stream.flush()).is_ok();
            (written.then_some((text, total(&usage))), written)
        }
        Act::Document(text) => {
            let usage = usage(asked, &text);
            let body = json!({"id": "c", "model": "scripted-1", "usage": usage,
                              "choices": [{"message": {"content": text}, "finish_reason": "stop"}]});
            let written = reply(stream, 200, "", &body.to_string());
            (written.then_some((text, total(&usage))), written)
        }
        Act::Status(status, headers, message) => {
            let body = json!({"error": {"message": message, "type": "scripted"}}).to_string();
            (None, reply(stream, status, headers, &body))
        }
        Act::Refusal(status, body) => (None, reply(stream, status, "", &body)),
        Act::Half => {
            let chunk = json!({"choices": [{"delta": {"content": "{\"half"}}]});
            let body = format!("data: {chunk}\n\n");
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
            let _ = stream.write_all(format!("{head}{:x}\r\n{body}\r\n", body.len()).as_bytes());
            (None, false)
        }
        Act::Silent => {
            perform(stream, asked, Act::Half);
            perform(stream, asked, Act::Never)
        }
        Act::Garbage => (None, reply(stream, 200, "", "<html>busy</html>")),
        Act::Raw(bytes) => (None, stream.write_all(bytes.as_bytes()).and_then(|()| stream.flush()).is_ok()),
        Act::Never => {
            std::thread::sleep(Duration::from_mins(10));
            (None, false)
        }
    }
}

/// A token per four bytes, as prose has them.
fn usage(asked: &Asked, text: &str) -> Value {
    let messages = asked.body["messages"].as_array().unwrap();
    let bytes: usize = messages.iter().map(|m| m["content"].as_str().unwrap().len()).sum();
    json!({"prompt_tokens": bytes / 4, "completion_tokens": text.len() / 4 + 1,
           "prompt_tokens_details": {"cached_tokens": bytes / 8}})
}

fn total(usage: &Value) -> u64 {
    usage["prompt_tokens"].as_u64().unwrap() + usage["completion_tokens"].as_u64().unwrap()
}

/// The form that was asked for, wherever it stands.
pub(crate) fn schema(body: &Value) -> Value {
    let schema = &body["response_format"]["json_schema"]["schema"];
    if schema.is_object() {
        return schema.clone();
    }
    let messages = body["messages"].as_array().unwrap();
    messages
        .iter()
        .filter_map(|m| {
            let words = m["content"].as_str()?;
            serde_json::from_str(words.rsplit_once("JSON Schema: ")?.1).ok()
        })
        .next_back()
        .unwrap_or_default()
}

/// A value of the form that a schema asks for; `turn` picks among truth values.
pub(crate) fn fitting(schema: &Value, turn: usize) -> Value {
    if let Some(choices) = schema["enum"].as_array() {
        return choices[turn % choices.len()].clone();
    }
    match schema["type"].as_str() {
        Some("object") => {
            let properties = schema["properties"].as_object().unwrap();
            Value::Object(properties.iter().map(|(name, part)| (name.clone(), fitting(part, turn))).collect())
        }
        Some("array") => Value::Array((0..2).map(|i| fitting(&schema["items"], turn + i)).collect()),
        Some("integer") => json!(1 + turn % 3),
        Some("boolean") => json!(turn % 3 != 1),
        _ => json!(format!("words of turn {turn}")),
    }
}
