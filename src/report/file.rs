//! A file of the output directory, before it is written.

/// A file of the output directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Name within the directory.
    pub name: String,
    /// Content.
    pub bytes: Vec<u8>,
}

impl File {
    pub(super) fn text(name: &str, text: String) -> Self {
        Self { name: name.to_owned(), bytes: text.into_bytes() }
    }

    /// blake3 of the content, in hexadecimal.
    pub fn hash(&self) -> String {
        blake3::hash(&self.bytes).to_hex().to_string()
    }
}
