//! Values over a number, one curve with its band for each policy: the frontier over the spend, a metric over a key.

use super::axis::{self, Scale};
use super::canvas::{Align, Canvas, Point, WIDTH, fit};
use super::lines::{foot, head};
use super::style::{FRAME, GRID, TEXT, looks_of};
use super::tick;
use crate::policy::settings::Form;

/// A point of a curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::report) struct At {
    pub(in crate::report) x: f64,
    pub(in crate::report) mean: f64,
    pub(in crate::report) low: f64,
    pub(in crate::report) high: f64,
}

/// A curve.
#[derive(Clone, Debug)]
pub(in crate::report) struct Curve {
    pub(in crate::report) name: String,
    pub(in crate::report) form: Option<Form>,
    pub(in crate::report) points: Vec<At>,
}

/// What a figure of curves says.
#[derive(Clone, Copy, Debug)]
pub(in crate::report) struct Words<'a> {
    pub(in crate::report) title: &'a str,
    pub(in crate::report) unit: &'a str,
    pub(in crate::report) below: &'a str,
    pub(in crate::report) note: &'a str,
}

const LEFT: f64 = 96.0;
const RIGHT: f64 = WIDTH - 262.0;
const TOP: f64 = 104.0;
const BOTTOM: f64 = 598.0;

/// Draws the curves; none if no curve has two points. The number's axis is logarithmic where its values span enough.
pub(in crate::report) fn draw(curves: &[Curve], percent: bool, words: Words) -> Option<Canvas> {
    let all = || curves.iter().flat_map(|c| &c.points);
    if !curves.iter().any(|c| c.points.len() > 1) {
        return None;
    }
    let ends =
        |of: fn(&At) -> f64| all().map(of).fold((f64::MAX, f64::MIN), |(low, high), x| (low.min(x), high.max(x)));
    let (x_low, x_high) = ends(|p| p.x);
    let kind = if percent { axis::Kind::PercentNear } else { axis::Kind::Amount };
    // Differences have both signs.
    let y = if !percent && ends(|p| p.low).0 < 0.0 {
        axis::signed(ends(|p| p.low).0, ends(|p| p.high).1)
    } else {
        axis::ticks(ends(|p| p.low).0, ends(|p| p.mean).0, ends(|p| p.high).1, kind)
    };
    let log = x_low > 0.0 && x_high / x_low > 8.0;
    let x = axis::ticks_of_numbers(x_low, x_high, log);
    let across = Scale::new(x.range, (LEFT + 16.0, RIGHT - 16.0), log);
    let up = Scale::new(y.range, (BOTTOM, TOP), y.log);
    let mut canvas = Canvas::default();
    head(&mut canvas, words.title, words.unit);
    for (value, decimals) in y.values.iter().zip(&y.decimals) {
        let at = up.at(*value);
        canvas.line(&[(LEFT, at), (RIGHT, at)], GRID, 1.0, 1.0);
        canvas.text((LEFT - 10.0, at), &tick(*value, *decimals), 14.0, TEXT, Align::Right);
    }
    for (value, decimals) in x.values.iter().zip(&x.decimals) {
        let at = across.at(*value);
        canvas.line(&[(at, BOTTOM), (at, BOTTOM + 6.0)], FRAME, 1.0, 1.0);
        canvas.text((at, BOTTOM + 20.0), &tick(*value, *decimals), 14.0, TEXT, Align::Centre);
    }
    canvas.line(&[(LEFT, BOTTOM), (RIGHT, BOTTOM)], FRAME, 1.0, 1.0);
    let below = if log { format!("{}, logarithmic", words.below) } else { words.below.to_owned() };
    canvas.text((f64::midpoint(LEFT, RIGHT), BOTTOM + 46.0), &below, 14.0, TEXT, Align::Centre);
    let names: Vec<(String, Option<Form>)> = curves.iter().map(|c| (c.name.clone(), c.form)).collect();
    let looks = looks_of(&names);
    let place = |x: f64, y: f64| -> Point { (across.at(x), up.at(y)) };
    for (curve, (_, look)) in curves.iter().zip(&looks) {
        let upper = curve.points.iter().map(|p| place(p.x, p.high));
        let lower = curve.points.iter().rev().map(|p| place(p.x, p.low));
        canvas.area(&upper.chain(lower).collect::<Vec<_>>(), look.ink, 0.11);
    }
    for (curve, (_, look)) in curves.iter().zip(&looks) {
        let line: Vec<Point> = curve.points.iter().map(|p| place(p.x, p.mean)).collect();
        canvas.line(&line, look.ink, 1.0, look.width);
        for at in &line {
            canvas.marker(*at, look.marker, 5.0, look.ink, false);
        }
    }
    let drawn: Vec<_> = curves.iter().zip(&looks).filter(|(c, _)| !c.points.is_empty()).collect();
    let wanted: Vec<f64> = drawn.iter().map(|(c, _)| up.at(c.points[c.points.len() - 1].mean)).collect();
    for ((curve, (_, look)), y) in drawn.iter().zip(axis::spread(&wanted, 24.0, TOP + 6.0, BOTTOM - 6.0)) {
        let last = curve.points[curve.points.len() - 1];
        let (end, start) = (place(last.x, last.mean), (RIGHT + 14.0, y));
        canvas.line(&[(end.0 + 9.0, end.1), start], look.ink, 0.55, 1.0);
        canvas.line(&[start, (start.0 + 26.0, y)], look.ink, 1.0, look.width);
        canvas.marker((start.0 + 13.0, y), look.marker, 5.0, look.ink, false);
        canvas.text((start.0 + 34.0, y), &fit(&curve.name, 14.5, 206.0), 14.5, TEXT, Align::Left);
    }
    foot(&mut canvas, words.note);
    Some(canvas)
}
