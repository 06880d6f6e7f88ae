//! A file of the output directory, before it is written.

/// A file of the output directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Name within the directory.
    pub name: String,
    /// Content.
    pub bytes: Vec<u8>,
}

/// Rows as CSV with unix line ends.
pub(super) fn csv(header: &[&str], rows: impl Iterator<Item = impl IntoIterator<Item = String>>) -> String {
    let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
    writer.write_record(header).expect("memory takes any row");
    for row in rows {
        writer.write_record(row).expect("rows match the header");
    }
    let bytes = writer.into_inner().expect("memory takes any row");
    String::from_utf8(bytes).expect("all cells are text")
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
