//! Members of archives: zip (stored, deflate, Zstandard) and tar. What an archive unpacks to is bounded.

use super::fault::{ImportError, Place, Wrong};
use super::inputs::{MOST_ARCHIVE_BYTES, check_members, inside, too_much};
use super::source;
use crate::record::input::{self, FREE_EXPANSION_BYTES, MOST_EXPANSION};
use ruzstd::decoding::{FrameDecoder, StreamingDecoder};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::path::Path;
use zip::{CompressionMethod, ZipArchive};

/// The bytes of a member, in one piece, however it is packed.
pub(super) fn member<R: Read + Seek>(zip: &mut ZipArchive<R>, name: &str, into: &mut Vec<u8>) -> Result<(), String> {
    let index = zip.index_for_name(name).ok_or("no such member")?;
    reading(zip, index, |read| input::whole(read, into)).map_err(|error| match input::Refused::of(&error) {
        Some(refused) => refused.wrong(),
        None => error.to_string(),
    })
}

/// Does something with the unpacked bytes of a member.
fn reading<R: Read + Seek>(
    zip: &mut ZipArchive<R>,
    index: usize,
    work: impl FnOnce(&mut dyn Read) -> io::Result<()>,
) -> io::Result<()> {
    let method = zip.by_index_raw(index).map_err(io::Error::other)?.compression();
    if matches!(method, CompressionMethod::ZSTD | CompressionMethod::ZSTD_DEPRECATED) {
        let raw = zip.by_index_raw(index).map_err(io::Error::other)?;
        return work(&mut zstd(BufReader::new(raw))?);
    }
    let mut plain = zip.by_index(index).map_err(io::Error::other)?;
    work(&mut plain)
}

/// Unpacks Zstandard; frames may follow one another.
pub(super) fn zstd<R: BufRead>(from: R) -> io::Result<impl Read + use<R>> {
    Ok(Frames { now: Some(frame(from)?) })
}

struct Frames<R: BufRead> {
    now: Option<StreamingDecoder<R, FrameDecoder>>,
}

fn frame<R: BufRead>(from: R) -> io::Result<StreamingDecoder<R, FrameDecoder>> {
    StreamingDecoder::new(from).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error.to_string()))
}

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let Some(now) = &mut self.now else { return Ok(0) };
            let count = now.read(into)?;
            if count > 0 || into.is_empty() {
                return Ok(count);
            }
            let mut rest = self.now.take().expect("it was there").into_inner();
            if rest.fill_buf()?.is_empty() {
                return Ok(0);
            }
            self.now = Some(frame(rest)?);
        }
    }
}

/// What may still be written.
struct Budget {
    left: u64,
}

impl Budget {
    fn new(path: &Path) -> Self {
        let size = std::fs::metadata(path).map_or(0, |found| found.len());
        let most = size.saturating_mul(MOST_EXPANSION).max(FREE_EXPANSION_BYTES);
        Self { left: most.min(MOST_ARCHIVE_BYTES) }
    }

    /// Writes a member; `false` if it is too long.
    fn write(&mut self, from: &mut dyn Read, to: &Path) -> io::Result<bool> {
        if let Some(parent) = to.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let mut file = File::create(to)?;
        let count = io::copy(&mut from.take(self.left + 1), &mut file)?;
        if count > self.left {
            return Ok(false);
        }
        self.left -= count;
        Ok(true)
    }
}

fn over(path: &Path) -> ImportError {
    let limit = MOST_ARCHIVE_BYTES >> 30;
    too_much(
        path,
        &format!("the archive unpacks to more than the limit: {MOST_EXPANSION} times its size, or {limit} GiB"),
    )
}

fn damaged(path: &Path, error: &dyn std::fmt::Display) -> ImportError {
    Wrong::record(
        format!("the archive cannot be unpacked: {error}"),
        "get the whole file again, or give the files in it",
    )
    .at(Place::file(path))
}

/// Unpacks a zip archive.
pub(super) fn zip(path: &Path, folder: &Path) -> Result<(), ImportError> {
    let file = input::file(path).map_err(|source| ImportError::Read { path: path.to_owned(), source })?;
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|error| damaged(path, &error))?;
    check_members(path, archive.len())?;
    let mut budget = Budget::new(path);
    for index in 0..archive.len() {
        let name = {
            let raw = archive.by_index_raw(index).map_err(|error| damaged(path, &error))?;
            if !raw.is_file() {
                continue;
            }
            raw.name().map(std::borrow::Cow::into_owned).unwrap_or_default()
        };
        let Some(to) = inside(folder, &name) else { continue };
        let mut fits = true;
        let done = reading(&mut archive, index, |read| {
            fits = budget.write(read, &to)?;
            Ok(())
        });
        done.map_err(|error| damaged(path, &error))?;
        if !fits {
            return Err(over(path));
        }
    }
    Ok(())
}

/// Unpacks a tar archive, itself packed or not.
pub(super) fn tar(path: &Path, folder: &Path) -> Result<(), ImportError> {
    const BLOCK: u64 = 512;
    const LONGEST_NAME: u64 = 1 << 16;
    let mut from = source::open(path)?;
    let mut budget = Budget::new(path);
    let mut long: Option<String> = None;
    let mut members = 0;
    loop {
        let mut head = [0; BLOCK as usize];
        match from.read_exact(&mut head) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
            Err(error) => return Err(damaged(path, &error)),
        }
        if head.iter().all(|byte| *byte == 0) {
            break;
        }
        members += 1;
        check_members(path, members)?;
        let text = |range: std::ops::Range<usize>| {
            let part = &head[range];
            let end = part.iter().position(|byte| *byte == 0).unwrap_or(part.len());
            String::from_utf8_lossy(&part[..end]).into_owned()
        };
        let size =
            u64::from_str_radix(text(124..136).trim(), 8).map_err(|_| damaged(path, &"a member without a size"))?;
        let padding = (BLOCK - size % BLOCK) % BLOCK;
        let kind = head[156];
        let mut body = from.by_ref().take(size);
        if matches!(kind, b'L' | b'x') {
            let mut name = Vec::new();
            (&mut body).take(LONGEST_NAME).read_to_end(&mut name).map_err(|error| damaged(path, &error))?;
            let name = String::from_utf8_lossy(&name).into_owned();
            long = match kind {
                b'L' => Some(name.trim_end_matches('\0').to_owned()),
                _ => name.lines().find_map(|line| Some(line.split_once(" path=")?.1.to_owned())).or(long.take()),
            };
        } else {
            let (prefix, short) = (text(345..500), text(0..100));
            let short = if prefix.is_empty() { short } else { format!("{prefix}/{short}") };
            let name = long.take().unwrap_or(short);
            if let (b'0' | 0, Some(to)) = (kind, inside(folder, &name))
                && !budget.write(&mut body, &to).map_err(|error| damaged(path, &error))?
            {
                return Err(over(path));
            }
        }
        io::copy(&mut body, &mut io::sink()).map_err(|error| damaged(path, &error))?;
        io::copy(&mut from.by_ref().take(padding), &mut io::sink()).map_err(|error| damaged(path, &error))?;
    }
    Ok(())
}
