//! Files that somebody gives us: regular ones only, plain or gzip, with stated limits on a line, on a text and on what a
//! small file unpacks to. A pipe has no end that anybody promised, and three megabytes of gzip can hold three gigabytes.
//!
//! Refusals are [`std::io::Error`]s that carry a [`Refused`], so that every reader passes them on as it does others.

use flate2::bufread::MultiGzDecoder;
use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::path::Path;

/// Most bytes of a line, or of one element of a list: many times the longest prompt that any model takes.
pub const MOST_LINE_BYTES: u64 = 64 << 20;
/// Most bytes of a text that must be in memory as a whole: a document, a list, a table.
pub const MOST_WHOLE_BYTES: u64 = 512 << 20;
/// Most bytes of a text that is read line by line.
pub const MOST_TEXT_BYTES: u64 = 64 << 30;
/// A compressed file may unpack to this many times its size; logs do to ten or twenty.
pub const MOST_EXPANSION: u64 = 100;
/// ... and always to this many bytes.
pub const FREE_EXPANSION_BYTES: u64 = 256 << 20;

/// Why a file is not read, or not read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// A folder.
    Folder,
    /// A pipe, a device, a socket.
    NoFile,
    /// A line above [`MOST_LINE_BYTES`].
    Line,
    /// A whole text above [`MOST_WHOLE_BYTES`].
    Whole,
    /// A text above [`MOST_TEXT_BYTES`].
    Text,
    /// A compressed file that unpacks to more than [`MOST_EXPANSION`] allows.
    Expansion,
}

impl Refused {
    /// What is wrong, with the limit.
    pub fn wrong(self) -> String {
        match self {
            Self::Folder => "is a folder, not a file".to_owned(),
            Self::NoFile => "is a pipe or a device, not a file".to_owned(),
            Self::Line => format!("a line or element is longer than the limit of {} MiB", MOST_LINE_BYTES >> 20),
            Self::Whole => format!("a text in one piece is longer than the limit of {} MiB", MOST_WHOLE_BYTES >> 20),
            Self::Text => format!("the text is longer than the limit of {} GiB", MOST_TEXT_BYTES >> 30),
            Self::Expansion => format!(
                "the compressed file unpacks to more than the limit of {MOST_EXPANSION} times its size ({} MiB if it \
                 is small)",
                FREE_EXPANSION_BYTES >> 20
            ),
        }
    }

    /// What to do.
    pub fn mend(self) -> &'static str {
        match self {
            Self::Folder => "name a file in it",
            Self::NoFile => "write its content to a file and name that",
            Self::Line => "see whether this is the file that was meant; write one record per line",
            Self::Whole => "split the file, or write one record per line",
            Self::Text => "split the file",
            Self::Expansion => "unpack it with `gunzip` if its content is what it should be",
        }
    }

    /// The refusal that an error carries.
    pub fn of(error: &io::Error) -> Option<Self> {
        error.get_ref()?.downcast_ref().copied()
    }
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}; {}", self.wrong(), self.mend())
    }
}

impl std::error::Error for Refused {}

impl From<Refused> for io::Error {
    fn from(refused: Refused) -> Self {
        let kind = match refused {
            Refused::Folder | Refused::NoFile => ErrorKind::InvalidInput,
            Refused::Line | Refused::Whole | Refused::Text | Refused::Expansion => ErrorKind::FileTooLarge,
        };
        Self::new(kind, refused)
    }
}

/// Opens a regular file; links to one are followed.
pub fn file(path: &Path) -> io::Result<File> {
    // Opening a pipe that nobody writes to would wait for ever.
    let found = std::fs::metadata(path)?;
    if found.is_dir() {
        return Err(Refused::Folder.into());
    }
    if !found.is_file() {
        return Err(Refused::NoFile.into());
    }
    File::open(path)
}

/// The text of an open file, unpacked on the way if it is gzip.
pub fn text(file: File) -> io::Result<Box<dyn BufRead + Send>> {
    let size = file.metadata()?.len();
    let mut file = BufReader::new(file);
    if !file.fill_buf()?.starts_with(&[0x1f, 0x8b]) {
        return Ok(Box::new(Bounded { inner: file, left: MOST_TEXT_BYTES, then: Refused::Text }));
    }
    let most = expanded(size);
    let (left, then) =
        if most < MOST_TEXT_BYTES { (most, Refused::Expansion) } else { (MOST_TEXT_BYTES, Refused::Text) };
    Ok(Box::new(Bounded { inner: BufReader::new(MultiGzDecoder::new(file)), left, then }))
}

/// Opens a file, plain or gzip.
pub fn open(path: &Path) -> io::Result<Box<dyn BufRead + Send>> {
    text(file(path)?)
}

/// What a compressed file of this size may unpack to.
fn expanded(size: u64) -> u64 {
    size.saturating_mul(MOST_EXPANSION).max(FREE_EXPANSION_BYTES)
}

/// Appends the next line, its end included; 0 bytes at the end of the text.
pub fn line(lines: &mut (impl BufRead + ?Sized), buffer: &mut Vec<u8>) -> io::Result<usize> {
    line_within(lines, buffer, MOST_LINE_BYTES)
}

fn line_within(lines: &mut (impl BufRead + ?Sized), buffer: &mut Vec<u8>, most: u64) -> io::Result<usize> {
    let mut lines = lines;
    let length = (&mut lines).take(most + 1).read_until(b'\n', buffer)?;
    if length as u64 > most { Err(Refused::Line.into()) } else { Ok(length) }
}

/// All bytes of a text. What was read before an error stands in `buffer`.
pub fn whole(text: &mut (impl Read + ?Sized), buffer: &mut Vec<u8>) -> io::Result<()> {
    let mut text = text;
    (&mut text).take(MOST_WHOLE_BYTES + 1).read_to_end(buffer)?;
    if buffer.len() as u64 > MOST_WHOLE_BYTES { Err(Refused::Whole.into()) } else { Ok(()) }
}

/// A text whose parts have no bound of their own, read as it comes: all of it is bounded as a whole text is.
pub fn in_one_piece(text: impl BufRead) -> impl BufRead {
    Bounded { inner: text, left: MOST_WHOLE_BYTES, then: Refused::Whole }
}

/// All bytes that gzip in memory unpacks to. What was unpacked before an error stands in `buffer`.
pub fn unpacked(zipped: &[u8], buffer: &mut Vec<u8>) -> io::Result<()> {
    let inner = BufReader::new(MultiGzDecoder::new(zipped));
    whole(&mut Bounded { inner, left: expanded(zipped.len() as u64), then: Refused::Expansion }, buffer)
}

/// A text that may go on for so many bytes and is refused beyond them.
#[derive(Debug)]
struct Bounded<R> {
    inner: R,
    left: u64,
    then: Refused,
}

impl<R: BufRead> BufRead for Bounded<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let there = self.inner.fill_buf()?;
        if self.left == 0 && !there.is_empty() {
            return Err(self.then.into());
        }
        Ok(&there[..there.len().min(usize::try_from(self.left).unwrap_or(usize::MAX))])
    }

    fn consume(&mut self, amount: usize) {
        self.left -= amount as u64;
        self.inner.consume(amount);
    }
}

impl<R: BufRead> Read for Bounded<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let length = self.fill_buf()?.read(to)?;
        self.consume(length);
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;

    #[test]
    fn what_is_exactly_at_a_limit_is_read() {
        let text = |left| Bounded { inner: &b"12345"[..], left, then: Refused::Text };
        let mut all = Vec::new();
        assert_eq!(text(5).read_to_end(&mut all).unwrap(), 5);
        let error = text(4).read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(Refused::of(&error), Some(Refused::Text));

        let within = |text: &[u8], most| line_within(&mut { text }, &mut Vec::new(), most).map_err(|e| Refused::of(&e));
        assert_eq!(within(b"1234\n5\n", 5), Ok(5));
        assert_eq!(within(b"1234\n5\n", 4), Err(Some(Refused::Line)));
        assert_eq!(within(b"1234", 4), Ok(4));
    }

    #[test]
    fn what_unpacks_beyond_all_measure_is_refused() {
        let pack = |bytes: u64| {
            let mut zip = GzEncoder::new(Vec::new(), Compression::fast());
            let zeros = vec![0; 1 << 20];
            (0..bytes >> 20).for_each(|_| zip.write_all(&zeros).unwrap());
            zip.finish().unwrap()
        };
        let mut buffer = Vec::new();
        unpacked(&pack(4 << 20), &mut buffer).unwrap();
        assert_eq!(buffer.len(), 4 << 20, "small files may hold anything");
        buffer.clear();
        let error = unpacked(&pack(FREE_EXPANSION_BYTES + (1 << 20)), &mut buffer).unwrap_err();
        assert_eq!(Refused::of(&error), Some(Refused::Expansion));
    }

    #[cfg(unix)]
    #[test]
    fn only_files_are_opened() {
        let refusal = |path: &Path| file(path).err().and_then(|e| Refused::of(&e));
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(refusal(folder.path()), Some(Refused::Folder));
        assert_eq!(refusal(Path::new("/dev/zero")), Some(Refused::NoFile));
        let path = folder.path().join("f");
        std::fs::write(&path, "x").unwrap();
        assert_eq!(refusal(&path), None);
    }
}
