//! A tornado: how far each input alone moves a difference, widest first.

use super::canvas::{Align, Canvas, Ink, WIDTH, fit};
use super::lines::{foot, head};
use super::style::{FAINT, FRAME, GRID, TEXT};
use super::{axis, tick};

/// One input.
#[derive(Clone, Debug)]
pub(in crate::report) struct Bar {
    /// Its name.
    pub(in crate::report) label: String,
    /// The difference at the low end of its range.
    pub(in crate::report) low: f64,
    /// The difference at the high end.
    pub(in crate::report) high: f64,
    /// The low end.
    pub(in crate::report) low_label: String,
    /// The high end.
    pub(in crate::report) high_label: String,
    /// Whether the difference changes its sign on the way.
    pub(in crate::report) flips: bool,
}

const LEFT: f64 = 420.0;
const RIGHT: f64 = WIDTH - 90.0;
const TOP: f64 = 110.0;
const BOTTOM: f64 = 640.0;
const LIGHT: Ink = Ink(158, 202, 225);
const DARK: Ink = Ink(33, 113, 181);
const ALARM: Ink = Ink(178, 34, 34);

/// Draws bars around today's difference; `unit` names the axis.
pub(in crate::report) fn tornado(title: &str, unit: &str, today: f64, bars: &[Bar], note: &str) -> Canvas {
    let ends = || bars.iter().flat_map(|b| [b.low, b.high]).chain([today, 0.0]);
    let (low, high) = (ends().fold(f64::MAX, f64::min), ends().fold(f64::MIN, f64::max));
    let ticks = axis::signed(low, high);
    let scale = axis::Scale::new(ticks.range, (LEFT, RIGHT), false);
    let mut canvas = Canvas::default();
    head(&mut canvas, title, unit);
    let row = ((BOTTOM - TOP) / bars.len() as f64).min(40.0);
    let bottom = TOP + row * bars.len() as f64;
    for (value, decimals) in ticks.values.iter().zip(&ticks.decimals) {
        let x = scale.at(*value);
        canvas.line(&[(x, TOP), (x, bottom)], GRID, 1.0, 1.0);
        canvas.text((x, bottom + 18.0), &tick(*value, *decimals), 14.0, TEXT, Align::Centre);
    }
    for (i, bar) in bars.iter().enumerate() {
        let y = TOP + row * (i as f64 + 0.5);
        let half = row * 0.32;
        for (value, ink) in [(bar.low, LIGHT), (bar.high, DARK)] {
            let (a, b) = (scale.at(today.min(value)), scale.at(today.max(value)));
            canvas.rect((a, y - half), (b, y + half), ink);
        }
        let name = if bar.flips { ALARM } else { TEXT };
        canvas.text((LEFT - 74.0, y), &fit(&bar.label, 13.5, LEFT - 100.0), 13.5, name, Align::Right);
        let (left, right) = if bar.low <= bar.high { (bar, true) } else { (bar, false) };
        let (first, last) =
            if right { (&left.low_label, &left.high_label) } else { (&left.high_label, &left.low_label) };
        let (a, b) = (scale.at(bar.low.min(bar.high).min(today)), scale.at(bar.low.max(bar.high).max(today)));
        canvas.text((a - 6.0, y), first, 12.0, FAINT, Align::Right);
        canvas.text((b + 6.0, y), last, 12.0, FAINT, Align::Left);
    }
    let zero = scale.at(0.0);
    canvas.dashes((zero, TOP), (zero, bottom), FRAME, 1.5);
    let now = scale.at(today);
    canvas.line(&[(now, TOP - 6.0), (now, bottom)], TEXT, 1.0, 1.5);
    foot(&mut canvas, note);
    canvas
}
