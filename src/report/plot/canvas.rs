//! Marks in logical pixels, and their painting on the two backends.

use super::png;
use plotters::backend::DrawingBackend;
use plotters::prelude::{BitMapBackend, SVGBackend};
pub(super) use plotters::style::RGBColor as Ink;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color as _, FontStyle, ShapeStyle, TextStyle, register_font};
use std::sync::Once;

/// Width of a figure.
pub(super) const WIDTH: f64 = 1200.0;
/// Height of a figure.
pub(super) const HEIGHT: f64 = 750.0;
/// Device pixels per logical pixel: finer coordinates in SVG, smooth edges in PNG after averaging.
const FINE: u32 = 2;

/// Where a text stands relative to its point; vertically always at its middle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Centre,
    Right,
}

/// Form of a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Marker {
    Circle,
    Square,
    Diamond,
    Up,
    Down,
}

/// A point in logical pixels.
pub(super) type Point = (f64, f64);

#[derive(Clone, Debug)]
enum Mark {
    Line { points: Vec<Point>, ink: Ink, alpha: f64, width: f64 },
    Area { points: Vec<Point>, ink: Ink, alpha: f64 },
    Disc { centre: Point, radius: f64, ink: Ink },
    Text { at: Point, text: String, size: f64, ink: Ink, align: Align },
}

/// A figure under construction; later marks cover earlier ones.
#[derive(Clone, Debug, Default)]
pub(in crate::report) struct Canvas {
    marks: Vec<Mark>,
}

impl Canvas {
    pub(super) fn line(&mut self, points: &[Point], ink: Ink, alpha: f64, width: f64) {
        self.marks.push(Mark::Line { points: points.to_vec(), ink, alpha, width });
    }

    /// A straight line of dashes.
    pub(super) fn dashes(&mut self, from: Point, to: Point, ink: Ink, width: f64) {
        let (dash, gap) = (9.0, 6.0);
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let length = (dx * dx + dy * dy).sqrt();
        let mut start = 0.0;
        while start < length {
            let end = f64::min(start + dash, length);
            let at = |s: f64| (from.0 + dx * s / length, from.1 + dy * s / length);
            self.line(&[at(start), at(end)], ink, 1.0, width);
            start += dash + gap;
        }
    }

    pub(super) fn area(&mut self, points: &[Point], ink: Ink, alpha: f64) {
        self.marks.push(Mark::Area { points: points.to_vec(), ink, alpha });
    }

    pub(super) fn rect(&mut self, (x0, y0): Point, (x1, y1): Point, ink: Ink) {
        self.area(&[(x0, y0), (x1, y0), (x1, y1), (x0, y1)], ink, 1.0);
    }

    /// A point; hollow ones have a white core.
    pub(super) fn marker(&mut self, at: Point, marker: Marker, size: f64, ink: Ink, hollow: bool) {
        self.solid(at, marker, size, ink);
        if hollow {
            self.solid(at, marker, size * 0.55, plotters::style::WHITE);
        }
    }

    fn solid(&mut self, (x, y): Point, marker: Marker, r: f64, ink: Ink) {
        let corners: &[Point] = match marker {
            Marker::Circle => {
                self.marks.push(Mark::Disc { centre: (x, y), radius: r, ink });
                return;
            }
            Marker::Square => &[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)],
            Marker::Diamond => &[(0.0, -1.25), (1.25, 0.0), (0.0, 1.25), (-1.25, 0.0)],
            Marker::Up => &[(0.0, -1.2), (1.15, 0.9), (-1.15, 0.9)],
            Marker::Down => &[(0.0, 1.2), (1.15, -0.9), (-1.15, -0.9)],
        };
        let points: Vec<Point> = corners.iter().map(|(dx, dy)| (x + dx * r, y + dy * r)).collect();
        self.area(&points, ink, 1.0);
    }

    pub(super) fn text(&mut self, at: Point, text: &str, size: f64, ink: Ink, align: Align) {
        self.marks.push(Mark::Text { at, text: text.to_owned(), size, ink, align });
    }

    /// The figure as SVG.
    pub(super) fn svg(&self) -> String {
        let (w, h) = (WIDTH as u32, HEIGHT as u32);
        let mut text = String::new();
        let backend = SVGBackend::with_string(&mut text, (w * FINE, h * FINE));
        self.paint(backend, SVG_FONT, 0.0);
        let fine = format!("width=\"{}\" height=\"{}\"", w * FINE, h * FINE);
        text.replacen(&fine, &format!("width=\"{w}\" height=\"{h}\""), 1)
    }

    /// The figure as PNG.
    pub(super) fn png(&self) -> Vec<u8> {
        let (w, h) = (WIDTH as u32, HEIGHT as u32);
        let mut fine = vec![255; (w * FINE * h * FINE * 3) as usize];
        let backend = BitMapBackend::with_buffer(&mut fine, (w * FINE, h * FINE));
        self.paint(backend, BITMAP_FONT, BITMAP_DROP);
        png::encode(&png::average(&fine, w, h, FINE), w, h)
    }

    fn paint<B: DrawingBackend>(&self, mut backend: B, font: f64, drop: f64) {
        register();
        let corner = device((WIDTH, HEIGHT));
        let white = ShapeStyle::from(&plotters::style::WHITE).filled();
        backend.draw_rect((0, 0), corner, &white, true).expect(MEMORY);
        for mark in &self.marks {
            mark.paint(&mut backend, font, drop);
        }
        backend.present().expect(MEMORY);
    }
}

/// Why painting cannot fail.
const MEMORY: &str = "memory takes any drawing, the embedded font any text";
/// plotters divides font sizes by 1.24 in SVG; the bitmap's font height is 1.164 em in DejaVu Sans.
const SVG_FONT: f64 = 1.24;
const BITMAP_FONT: f64 = 1.164;
/// By how many em the bitmap backend stands too high where SVG has the middle of a text.
const BITMAP_DROP: f64 = 0.15;

impl Mark {
    fn paint<B: DrawingBackend>(&self, backend: &mut B, font: f64, drop: f64) {
        let painted = match self {
            Self::Line { points, ink, alpha, width } => {
                let style =
                    ShapeStyle { color: ink.mix(*alpha), filled: false, stroke_width: fine(*width).max(1) as u32 };
                let points: Vec<(i32, i32)> = points.iter().map(|p| device(*p)).collect();
                backend.draw_path(points, &style)
            }
            Self::Area { points, ink, alpha } => {
                let style = ShapeStyle::from(&ink.mix(*alpha)).filled();
                let points: Vec<(i32, i32)> = points.iter().map(|p| device(*p)).collect();
                backend.fill_polygon(points, &style)
            }
            Self::Disc { centre, radius, ink } => {
                let style = ShapeStyle::from(ink).filled();
                backend.draw_circle(device(*centre), fine(*radius) as u32, &style, true)
            }
            Self::Text { at, text, size, ink, align } => {
                let h_pos = match align {
                    Align::Left => HPos::Left,
                    Align::Centre => HPos::Center,
                    Align::Right => HPos::Right,
                };
                let style = TextStyle::from(("sans-serif", size * font * f64::from(FINE)))
                    .color(ink)
                    .pos(Pos::new(h_pos, VPos::Center));
                backend.draw_text(text, &style, device((at.0, at.1 + drop * size)))
            }
        };
        painted.expect(MEMORY);
    }
}

fn fine(length: f64) -> i32 {
    libm::round(length * f64::from(FINE)) as i32
}

fn device((x, y): Point) -> (i32, i32) {
    (fine(x), fine(y))
}

fn register() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let font = include_bytes!("../../../assets/DejaVuSans.ttf");
        let registered = register_font("sans-serif", FontStyle::Normal, font);
        assert!(registered.is_ok(), "the embedded font is a font");
    });
}

/// Width of a text in logical pixels.
pub(super) fn text_width(text: &str, size: f64) -> f64 {
    register();
    let big = 100.0;
    let style = TextStyle::from(("sans-serif", big * BITMAP_FONT));
    let (width, _) = style.font.box_size(text).expect("the embedded font has every size");
    f64::from(width) * size / big
}

/// A text, its end cut off if it is wider.
pub(super) fn fit(text: &str, size: f64, width: f64) -> String {
    let mut kept = text.to_owned();
    let mut shown = text.to_owned();
    while text_width(&shown, size) > width && kept.pop().is_some() {
        shown = format!("{kept}\u{2026}");
    }
    shown
}

/// A text in lines that are at most so wide.
pub(super) fn wrap(text: &str, size: f64, width: f64) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is always a line");
        let longer = format!("{line} {word}");
        if line.is_empty() {
            word.clone_into(line);
        } else if text_width(&longer, size) <= width {
            *line = longer;
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}
