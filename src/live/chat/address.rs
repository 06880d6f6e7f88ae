//! Where a server is, and which of three APIs it speaks.
//!
//! Invariant: neither `Debug` nor `Display` shows what a query may hide.

use crate::model::endpoint::ApiName;
use std::fmt;
use ureq::http::Uri;

/// Parts of the names of query parameters that hold keys.
const KEY_WORDS: [&str; 7] = ["key", "token", "secret", "password", "auth", "sig", "credential"];
/// Version of Azure's API where the address names none.
const AZURE_VERSION: &str = "api-version=2024-10-21";

/// What a server speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Api {
    /// OpenAI's chat completions, as most servers do.
    #[default]
    OpenAi,
    /// Anthropic's messages.
    Anthropic,
    /// OpenAI's chat completions under Azure's paths and header.
    Azure,
}

impl Api {
    /// As flags and files name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::Azure => "azure",
        }
    }

    /// The variable that holds its key by custom.
    pub fn key_variable(self) -> &'static str {
        match self {
            Self::OpenAi => "OPENAI_API_KEY",
            Self::Anthropic => "ANTHROPIC_API_KEY",
            Self::Azure => "AZURE_OPENAI_API_KEY",
        }
    }

    /// What an address tells of itself.
    fn of(host: &str, path: &str) -> Self {
        let host = host.to_ascii_lowercase();
        let is_of = |domain: &str| host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
        let azure = ["openai.azure.com", "cognitiveservices.azure.com", "services.ai.azure.com"];
        if is_of("anthropic.com") || path.ends_with("/messages") {
            Self::Anthropic
        } else if path.contains("/openai/deployments/") || azure.iter().any(|domain| is_of(domain)) {
            Self::Azure
        } else {
            Self::OpenAi
        }
    }
}

impl From<ApiName> for Api {
    fn from(name: ApiName) -> Self {
        match name {
            ApiName::Openai => Self::OpenAi,
            ApiName::Anthropic => Self::Anthropic,
            ApiName::Azure => Self::Azure,
        }
    }
}

/// Whether a text can be the name of an environment variable: letters, digits and `_`, no digit first. Keys in common
/// forms cannot.
pub fn is_variable_name(text: &str) -> bool {
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    plain && text.bytes().next().is_some_and(|b| !b.is_ascii_digit())
}

/// Where the server is. Shows itself without what a query may hide.
#[derive(Clone, PartialEq, Eq)]
pub struct BaseUrl {
    /// Up to the path, without a slash at its end.
    base: String,
    /// No path was given.
    is_bare: bool,
    query: Option<String>,
    host: String,
    api: Api,
}

impl BaseUrl {
    /// Reads `http(s)://host[:port][/path][?query]`. Without a path, `/v1` is meant, and Azure's own.
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
        let api = Api::of(authority.host(), path);
        let path = path.strip_suffix("/chat/completions").or_else(|| path.strip_suffix("/messages")).unwrap_or(path);
        Ok(Self {
            base: format!("{scheme}://{authority}{path}"),
            is_bare: path.is_empty(),
            query: uri.query().map(str::to_owned),
            host: authority.host().to_owned(),
            api,
        })
    }

    /// The same place, where another API is spoken than its address tells.
    #[must_use]
    pub fn speaking(mut self, api: Api) -> Self {
        self.api = api;
        self
    }

    /// What stands in front of every path.
    fn root(&self) -> String {
        let path = if self.is_bare && self.api != Api::Azure { "/v1" } else { "" };
        format!("{}{path}", self.base)
    }

    /// What is spoken there.
    pub fn api(&self) -> Api {
        self.api
    }

    /// Whether Azure's paths with deployments hold; its newer ones are OpenAI's.
    fn has_deployments(&self) -> bool {
        self.api == Api::Azure && !self.base.ends_with("/openai/v1")
    }

    /// Address and query of a path.
    fn at(&self, path: &str) -> String {
        let version = self.has_deployments() && !self.query.as_ref().is_some_and(|q| q.contains("api-version="));
        let query = self.query.iter().map(String::as_str).chain(version.then_some(AZURE_VERSION));
        let query = query.collect::<Vec<_>>().join("&");
        let mark = if query.is_empty() { "" } else { "?" };
        format!("{}{path}{mark}{query}", self.root())
    }

    /// Path of a completion by a model, behind the base.
    fn chat_path(&self, model: &str) -> String {
        match self.api {
            Api::Anthropic => "/messages".to_owned(),
            Api::Azure if self.has_deployments() && !self.base.contains("/openai/deployments/") => {
                let root = if self.base.ends_with("/openai") { "" } else { "/openai" };
                format!("{root}/deployments/{}/chat/completions", escaped(model))
            }
            Api::OpenAi | Api::Azure => "/chat/completions".to_owned(),
        }
    }

    /// Where completions by a model are asked for.
    pub(super) fn chat(&self, model: &str) -> String {
        self.at(&self.chat_path(model))
    }

    /// The same for people, without a query.
    pub(super) fn shown(&self, model: &str) -> String {
        format!("{}{}", self.root(), self.chat_path(model))
    }

    /// Where the names of models are.
    pub(super) fn models(&self) -> String {
        self.at("/models")
    }

    pub(super) fn is_loopback(&self) -> bool {
        matches!(self.host.as_str(), "localhost" | "[::1]" | "0.0.0.0") || self.host.starts_with("127.")
    }
}

/// A name as a part of a path.
fn escaped(name: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    name.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.root())
    }
}

impl fmt::Debug for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.root())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_urls_of_many_spellings_lead_to_one_place() {
        let url = |text: &str| BaseUrl::parse(text).unwrap().chat("m");
        for text in ["http://h:1", "http://h:1/", "http://h:1/v1", "http://h:1/v1/", "http://h:1/v1/chat/completions"] {
            assert_eq!(url(text), "http://h:1/v1/chat/completions", "{text}");
        }
        assert_eq!(BaseUrl::parse("https://h/x?api-version=1").unwrap().to_string(), "https://h/x");
        let query = ["https://h/x?key=geheim", "https://h/x?a=1&api_key=geheim", "https://h/x?Access-Token=geheim"];
        for bad in ["ftp://h", "h:1", "", "http://user:pass@h/"].iter().chain(&query) {
            let why = BaseUrl::parse(bad).unwrap_err();
            assert!(!why.contains("geheim"), "{bad}: {why}");
        }
    }

    #[test]
    fn an_address_tells_what_is_spoken_there() {
        let of = |text: &str| {
            let url = BaseUrl::parse(text).unwrap();
            (url.api(), url.chat("my model"))
        };
        for text in
            ["https://api.anthropic.com", "https://api.anthropic.com/v1/", "https://api.anthropic.com/v1/messages"]
        {
            assert_eq!(of(text), (Api::Anthropic, "https://api.anthropic.com/v1/messages".to_owned()), "{text}");
        }
        let whole = "https://h/openai/deployments/x/chat/completions?api-version=1";
        for text in ["https://h/openai/deployments/x?api-version=1", whole] {
            assert_eq!(of(text), (Api::Azure, whole.to_owned()), "{text}");
        }
        let made = "https://r.openai.azure.com/openai/deployments/my%20model/chat/completions?api-version=2024-10-21";
        for text in ["https://r.openai.azure.com", "https://r.openai.azure.com/openai/"] {
            assert_eq!(of(text), (Api::Azure, made.to_owned()), "{text}");
        }
        let newer = "https://r.openai.azure.com/openai/v1";
        assert_eq!(of(newer), (Api::Azure, format!("{newer}/chat/completions")));
        assert_eq!(of("https://notanthropic.com/v1").0, Api::OpenAi);
        let told = BaseUrl::parse("http://127.0.0.1:9").unwrap().speaking(Api::Anthropic);
        assert_eq!(told.chat("m"), "http://127.0.0.1:9/v1/messages");
        let told = BaseUrl::parse("http://127.0.0.1:9/openai").unwrap().speaking(Api::Azure);
        assert_eq!(told.chat("m"), "http://127.0.0.1:9/openai/deployments/m/chat/completions?api-version=2024-10-21");
    }
}
