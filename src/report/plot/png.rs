//! A PNG from pixels: averaging, then the plainest conforming file (8-bit RGB, one IDAT).

use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};
use std::io::Write as _;

/// Averages blocks of `fine` by `fine` RGB pixels into an image of `width` by `height`.
pub(super) fn average(pixels: &[u8], width: u32, height: u32, fine: u32) -> Vec<u8> {
    let (width, height, fine) = (width as usize, height as usize, fine as usize);
    let stride = width * fine * 3;
    let count = (fine * fine) as u32;
    let mut out = Vec::with_capacity(width * height * 3);
    for y in 0..height {
        for x in 0..width {
            for channel in 0..3 {
                let block = (0..fine).flat_map(|dy| (0..fine).map(move |dx| (dx, dy)));
                let sum: u32 = block
                    .map(|(dx, dy)| {
                        let at = (y * fine + dy) * stride + (x * fine + dx) * 3 + channel;
                        u32::from(pixels[at])
                    })
                    .sum();
                out.push(((sum + count / 2) / count) as u8);
            }
        }
    }
    out
}

/// The file of an RGB image.
pub(super) fn encode(pixels: &[u8], width: u32, height: u32) -> Vec<u8> {
    let mut header = Vec::new();
    header.extend(width.to_be_bytes());
    header.extend(height.to_be_bytes());
    header.extend([8, 2, 0, 0, 0]); // 8 bits, RGB, deflate, adaptive filters, not interlaced
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    chunk(&mut file, *b"IHDR", &header);
    chunk(&mut file, *b"IDAT", &compressed(pixels, width as usize * 3));
    chunk(&mut file, *b"IEND", &[]);
    file
}

/// Rows filtered by the row above, which suits figures, then deflated.
fn compressed(pixels: &[u8], stride: usize) -> Vec<u8> {
    let mut raw = Vec::with_capacity(pixels.len() + pixels.len() / stride);
    let mut above = vec![0; stride];
    for row in pixels.chunks_exact(stride) {
        raw.push(2); // filter "up"
        raw.extend(row.iter().zip(&above).map(|(x, up)| x.wrapping_sub(*up)));
        above.copy_from_slice(row);
    }
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::new(6));
    encoder.write_all(&raw).expect("memory takes any bytes");
    encoder.finish().expect("memory takes any bytes")
}

fn chunk(file: &mut Vec<u8>, kind: [u8; 4], data: &[u8]) {
    file.extend((data.len() as u32).to_be_bytes());
    file.extend(kind);
    file.extend(data);
    let mut crc = Crc::new();
    crc.update(&kind);
    crc.update(data);
    file.extend(crc.sum().to_be_bytes());
}
