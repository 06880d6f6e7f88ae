//! What providers are asked for beside text: embeddings, moderation, images, sound. None of it is a call of a language
//! model.

use super::field::Field;
use serde_json::Value;

const EMBEDDINGS: &str = "embeddings";
const MODERATIONS: &str = "moderations";
const IMAGES: &str = "images";
const SOUND: &str = "speech and sound";

/// Parts of addresses that name such a service.
const PATHS: &[(&str, &str)] = &[
    ("/embeddings", EMBEDDINGS),
    (":embedcontent", EMBEDDINGS),
    (":batchembedcontents", EMBEDDINGS),
    ("/embed", EMBEDDINGS),
    ("/moderations", MODERATIONS),
    ("/images/", IMAGES),
    ("/audio/", SOUND),
];
/// Beginnings of names of such models, after the maker's name.
const MODELS: &[(&str, &str)] = &[
    ("text-embedding", EMBEDDINGS),
    ("embed-", EMBEDDINGS),
    ("gemini-embedding", EMBEDDINGS),
    ("text-moderation", MODERATIONS),
    ("omni-moderation", MODERATIONS),
    ("dall-e", IMAGES),
    ("gpt-image", IMAGES),
    ("whisper-", SOUND),
    ("tts-", SOUND),
];

/// What the address of a request asks for, if it is no text.
pub(super) fn by_address(uri: &str) -> Option<&'static str> {
    let path = uri.split('?').next().unwrap_or("").to_ascii_lowercase();
    PATHS.iter().find(|(part, _)| path.contains(part)).map(|(_, kind)| *kind)
}

/// What a request and its response are about, if it is no text.
pub(super) fn kind(request: &Field<'_>, response: &Field<'_>) -> Option<&'static str> {
    let model = request.get("model").value.as_str().unwrap_or("").to_ascii_lowercase();
    let model = model.rsplit('/').next().unwrap_or("");
    if let Some((_, kind)) = MODELS.iter().find(|(name, _)| model.starts_with(name)) {
        return Some(kind);
    }
    if request.get("messages").is_some() {
        return None;
    }
    // By what came back, where the model has a name of its own.
    let first = |list: &Value| list.as_array().map(|list| list.first().cloned().unwrap_or(Value::Null));
    if let Some(first) = first(response.get("results").value)
        && first.get("flagged").is_some()
    {
        return Some(MODERATIONS);
    }
    let first = first(response.get("data").value)?;
    if first.get("embedding").is_some() || response.get("object").value == "list" {
        return Some(EMBEDDINGS);
    }
    (first.get("url").is_some() || first.get("b64_json").is_some()).then_some(IMAGES)
}
