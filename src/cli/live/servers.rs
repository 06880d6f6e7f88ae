//! Who answers: the server of the flags, and those of single endpoints.
//!
//! ```text
//! --endpoint NAME=URL,MODEL,KEYENV  > [endpoints.NAME.live]  > --base-url, --model
//! NAME: an endpoint of the scenario, a purpose (`verify`), or a group of purposes (`lead`, `worker`, `verifier`); a purpose
//! or group becomes an endpoint of its own, a copy of the one that served it
//! ```
//!
//! Invariant: keys are read here, handed to the clients and shown nowhere; each client hides the keys of all.

use super::args::{ApiFlag, LiveArgs};
use super::usage;
use crate::experiment::Scenario;
use crate::experiment::live::Server;
use crate::live::chat::{Api, BaseUrl, Client, ClientOptions, Secret, is_variable_name};
use crate::model::call::{Purpose, Seat};
use crate::model::endpoint::LiveServer;
use anyhow::Result;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::sync::Arc;

/// All servers of a run.
pub(super) struct Servers {
    /// The one of the flags, if they name one.
    pub(super) default: Option<Server>,
    /// Those of endpoints that have their own.
    pub(super) own: BTreeMap<String, Server>,
    /// Clients by the number of the endpoint.
    pub(super) clients: Vec<Arc<Client>>,
}

/// A server before its client is made.
struct Wanted {
    url: BaseUrl,
    key: Secret,
    server: Server,
}

/// Gives the scenario the endpoints that flags name; nothing is read and nobody is asked.
pub(super) fn take_up(args: &LiveArgs, scenario: &mut Scenario) -> Result<()> {
    for text in &args.endpoint {
        let (name, server) = parsed(text)?;
        let purposes: Vec<Purpose> = match Seat::ALL.iter().find(|seat| seat.name() == name) {
            _ if scenario.endpoints.contains_key(&name) => Vec::new(),
            Some(seat) => seat.purposes().collect(),
            None => match Purpose::ALL.iter().find(|purpose| purpose.name() == name) {
                Some(purpose) => vec![*purpose],
                None => return Err(usage(unknown(&name, scenario))),
            },
        };
        if let Some(first) = purposes.first() {
            let copy = scenario.by_role(*first).and_then(|by| scenario.endpoints.get(by)).cloned().unwrap_or_default();
            scenario.endpoints.insert(name.clone(), copy);
            let roles = purposes.iter().map(|purpose| (purpose.name().to_owned(), name.clone()));
            scenario.roles.extend(roles);
        }
        let endpoint = scenario.endpoints.get_mut(&name).expect("it is there, or was put there");
        endpoint.live = Some(server);
    }
    Ok(())
}

/// Endpoints that serve a purpose, a worker, or a seat of some policy.
pub(super) fn used(scenario: &Scenario) -> BTreeSet<String> {
    let purposes = Purpose::ALL.into_iter().filter_map(|purpose| scenario.by_role(purpose));
    let seated = scenario.seated(scenario.policies.iter());
    purposes.chain(scenario.worker_roles.values()).cloned().chain(seated).collect()
}

fn unknown(name: &str, scenario: &Scenario) -> String {
    let endpoints: Vec<&str> = scenario.endpoints.keys().map(String::as_str).collect();
    let purposes: Vec<&str> = Purpose::ALL.iter().map(|p| p.name()).collect();
    let groups: Vec<&str> = Seat::ALL.iter().map(|seat| seat.name()).collect();
    format!(
        "--endpoint: \"{}\" is no endpoint of the scenario ({}), no group ({}) and no purpose ({})",
        name.escape_debug(),
        endpoints.join(", "),
        groups.join(", "),
        purposes.join(", ")
    )
}

/// `NAME=URL,MODEL[,KEYENV]`. The whole text is never shown: somebody may have put a key there.
fn parsed(text: &str) -> Result<(String, LiveServer)> {
    let form = "--endpoint wants NAME=URL,MODEL,KEYENV, where KEYENV is the name of the environment variable that holds \
                the key (leave it out for servers without keys)";
    let (name, rest) = text.split_once('=').ok_or_else(|| usage(form))?;
    let parts: Vec<&str> = rest.split(',').map(str::trim).collect();
    let (url, model, key) = match parts[..] {
        [url, model] => (url, model, None),
        [url, model, key] => (url, model, Some(key)),
        _ => return Err(usage(form)),
    };
    let of = format!("--endpoint {}", name.trim().escape_debug());
    BaseUrl::parse(url).map_err(|why| usage(format!("{of}: the address {why}")))?;
    if model.is_empty() {
        return Err(usage(format!("{of}: names no model; {form}")));
    }
    if key.is_some_and(|key| !is_variable_name(key)) {
        let told = "the third part is no name of an environment variable; give the name of the one that holds the key, \
                    never the key itself";
        return Err(usage(format!("{of}: {told}")));
    }
    let server = LiveServer {
        base_url: url.to_owned(),
        model: model.to_owned(),
        key_env: key.map(str::to_owned),
        api: None,
        concurrency: None,
    };
    Ok((name.trim().to_owned(), server))
}

/// The servers of a scenario that has its endpoints; reads the keys.
pub(super) fn all(args: &LiveArgs, scenario: &Scenario) -> Result<Servers> {
    let mut own: BTreeMap<String, Wanted> = BTreeMap::new();
    for (name, live) in scenario.endpoints.iter().filter_map(|(name, e)| Some((name, e.live.as_ref()?))) {
        own.insert(name.clone(), of_endpoint(args, name, live)?);
    }
    let lacks = used(scenario).into_iter().any(|name| !own.contains_key(&name));
    let default = lacks.then(|| of_flags(args)).transpose()?;
    let keys: Vec<Secret> = own.values().chain(&default).map(|wanted| wanted.key.clone()).collect();
    let client = |wanted: &Wanted| {
        Arc::new(Client::new(ClientOptions {
            base_url: wanted.url.clone(),
            key: wanted.key.clone(),
            connections: (args.concurrency as usize).min(256),
            model: wanted.server.model.clone(),
            others: keys.clone(),
        }))
    };
    let first = default.as_ref().map(client);
    let by_name: BTreeMap<&String, Arc<Client>> = own.iter().map(|(name, wanted)| (name, client(wanted))).collect();
    let any = first.clone().or_else(|| by_name.values().next().cloned()).expect("roles name an endpoint");
    let clients = scenario.endpoints.keys().map(|name| by_name.get(name).unwrap_or(&any).clone()).collect();
    Ok(Servers {
        default: default.map(|wanted| wanted.server),
        own: own.into_iter().map(|(name, wanted)| (name, wanted.server)).collect(),
        clients,
    })
}

fn of_endpoint(args: &LiveArgs, name: &str, live: &LiveServer) -> Result<Wanted> {
    let of = format!("endpoints.{name}.live");
    let url = BaseUrl::parse(&live.base_url).map_err(|why| usage(format!("{of}.base_url: {why}")))?;
    let url = match live.api {
        Some(api) => url.speaking(api.into()),
        None => url,
    };
    let key = match &live.key_env {
        // The name is not shown: whoever put a key in its place would read it in a log.
        Some(variable) => std::env::var(variable).ok().filter(|key| !key.trim().is_empty()).ok_or_else(|| {
            usage(format!(
                "{of}.key_env (--endpoint {name}): the environment variable that it names is not set or empty"
            ))
        })?,
        None => String::new(),
    };
    let key = sendable(Secret::new(&key), &of)?;
    let key_from = match live.key_env {
        Some(_) => format!("the variable that --endpoint {name} or {of}.key_env names"),
        None => format!("--endpoint {name}: it names none"),
    };
    Ok(wanted(url, key, &live.model, live.concurrency.unwrap_or(args.concurrency).min(args.concurrency), key_from))
}

fn of_flags(args: &LiveArgs) -> Result<Wanted> {
    let Some(model) = &args.model else {
        let told = "no model: give --model NAME, or --endpoint NAME=URL,MODEL,KEYENV for every endpoint that is used";
        return Err(usage(told));
    };
    let from_env = || std::env::var("OPENAI_BASE_URL").ok().filter(|url| !url.trim().is_empty());
    let (text, from) = match (&args.base_url, from_env()) {
        (Some(url), _) => (url.clone(), "--base-url"),
        (None, Some(url)) => (url, "OPENAI_BASE_URL"),
        (None, None) => {
            let told = "no server: give --base-url or set OPENAI_BASE_URL, as in https://api.openai.com/v1";
            return Err(usage(told));
        }
    };
    let url = BaseUrl::parse(&text).map_err(|why| usage(format!("{from}: {why}")))?;
    let url = match args.api {
        Some(ApiFlag::Openai) => url.speaking(Api::OpenAi),
        Some(ApiFlag::Anthropic) => url.speaking(Api::Anthropic),
        Some(ApiFlag::Azure) => url.speaking(Api::Azure),
        None => url,
    };
    let (key, from) = key(args, url.api())?;
    let key_from = match from {
        "--api-key-file" => from.to_owned(),
        variable => format!("{variable} (or --api-key-file)"),
    };
    Ok(wanted(url, key, model, args.concurrency, key_from))
}

fn wanted(url: BaseUrl, key: Secret, model: &str, concurrency: u32, key_from: String) -> Wanted {
    let shown = Client::new(ClientOptions {
        base_url: url.clone(),
        key: Secret::default(),
        connections: 1,
        model: model.to_owned(),
        others: Vec::new(),
    })
    .url();
    let server = Server { model: model.to_owned(), url: shown, api: url.api(), concurrency, key_from };
    Wanted { url, key, server }
}

/// No key is as long.
const MOST_KEY_BYTES: u64 = 1 << 16;

fn key(args: &LiveArgs, api: Api) -> Result<(Secret, &'static str)> {
    let variable = |name: &'static str| {
        let key = std::env::var(name).ok().filter(|key| !key.trim().is_empty());
        key.map(|key| (Secret::new(&key), name))
    };
    let openai = Api::OpenAi.key_variable();
    let (key, from) = match &args.api_key_file {
        Some(path) => {
            // A key is a line; a device has no end.
            let mut text = String::new();
            fs::File::open(path)
                .and_then(|file| file.take(MOST_KEY_BYTES).read_to_string(&mut text))
                .map_err(|e| usage(format!("--api-key-file: cannot read {}: {e}", path.display())))?;
            (Secret::new(&text), "--api-key-file")
        }
        None => {
            variable(api.key_variable()).or_else(|| variable(openai)).unwrap_or((Secret::default(), api.key_variable()))
        }
    };
    Ok((sendable(key, from)?, from))
}

fn sendable(key: Secret, from: &str) -> Result<Secret> {
    if key.is_sendable() { Ok(key) } else { Err(usage(format!("{from}: a key is one line of plain characters"))) }
}
