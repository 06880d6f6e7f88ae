//! A quantity over the team size: one line per policy, its 95 % band, labels beside the ends of the lines.

use super::axis::{self, Kind, Scale, Ticks};
use super::canvas::{Align, Canvas, HEIGHT, Point, WIDTH, fit, text_width, wrap};
use super::style::{FAINT, FRAME, GRID, Look, TEXT, looks};
use super::{caption, columns, number, tick};
use crate::experiment::Study;

/// A figure over the team size.
pub(super) struct LineFigure {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) unit: &'static str,
    pub(super) scale: f64,
    pub(super) kind: Kind,
    pub(super) note: &'static str,
    pub(super) panels: Vec<Panel>,
}

/// One of its panels.
pub(super) struct Panel {
    pub(super) metric: &'static str,
    pub(super) heading: &'static str,
}

/// One policy's line in one panel.
struct Line {
    policy: String,
    look: Look,
    points: Vec<Value>,
}

struct Value {
    agents: u32,
    mean: f64,
    low: f64,
    high: f64,
    extrapolated: bool,
}

const LEFT: f64 = 96.0;
const TOP: f64 = 112.0;
const BOTTOM: f64 = 598.0;
const LABELS: f64 = 262.0;
const BETWEEN: f64 = 34.0;

/// The figure, if any policy has its metric.
pub(super) fn draw(study: &Study, figure: &LineFigure) -> Option<Canvas> {
    let panels: Vec<Vec<Line>> = figure.panels.iter().map(|panel| lines(study, panel.metric, figure.scale)).collect();
    let all = || panels.iter().flatten().flat_map(|line| &line.points);
    let low = all().map(|v| v.low).reduce(f64::min)?;
    let high = all().map(|v| v.high).reduce(f64::max)?;
    let least = all().map(|v| v.mean).reduce(f64::min)?;
    let ticks = axis::ticks(low, least, high, figure.kind);
    let mut canvas = Canvas::default();
    head(&mut canvas, figure.title, &unit_line(figure, &ticks));
    let count = panels.len() as f64;
    let width = (WIDTH - LEFT - LABELS - BETWEEN * (count - 1.0)) / count;
    for (i, lines) in panels.iter().enumerate() {
        let left = LEFT + i as f64 * (width + BETWEEN);
        let frame = Frame::new(study, &ticks, left, left + width);
        frame.grid(&mut canvas, &ticks, i == 0, figure.panels[i].heading);
        frame.plot(&mut canvas, lines);
        if i + 1 == panels.len() {
            frame.labels(&mut canvas, lines);
        }
    }
    let extrapolated = all().any(|v| v.extrapolated);
    let beyond = if extrapolated { "dashed and hollow: beyond published team sizes" } else { "" };
    let bands = "bands: 95 % intervals of each mean (differences are judged in pairs: comparison.csv)";
    let notes = [bands, beyond, figure.note];
    foot(&mut canvas, &caption(study, &notes));
    Some(canvas)
}

fn unit_line(figure: &LineFigure, ticks: &Ticks) -> String {
    let scale = match ticks.range.0 {
        _ if ticks.log => ", logarithmic",
        low if low > 0.0 => "; the axis does not begin at 0",
        _ => "",
    };
    format!("{}{scale}", figure.unit)
}

/// Title and unit.
pub(super) fn head(canvas: &mut Canvas, title: &str, unit: &str) {
    canvas.text((28.0, 36.0), title, 22.0, TEXT, Align::Left);
    canvas.text((28.0, 66.0), unit, 15.0, FAINT, Align::Left);
}

/// The caption at the foot, in as many lines as it needs.
pub(super) fn foot(canvas: &mut Canvas, text: &str) {
    let lines = wrap(text, 13.0, WIDTH - 56.0);
    let first = HEIGHT - 18.0 - 18.0 * (lines.len() as f64 - 1.0);
    for (i, line) in lines.iter().enumerate() {
        canvas.text((28.0, first + 18.0 * i as f64), line, 13.0, FAINT, Align::Left);
    }
}

fn lines(study: &Study, metric: &str, scale: f64) -> Vec<Line> {
    let line = |(policy, look): (String, Look)| {
        let mut points: Vec<Value> = study
            .cells
            .iter()
            .filter(|cell| cell.policy == policy)
            .filter_map(|cell| {
                let s = number::summary(cell.get(metric)?);
                s.mean.is_finite().then_some(Value {
                    agents: cell.agents,
                    mean: s.mean * scale,
                    low: s.interval.map_or(s.mean, |i| i.low) * scale,
                    high: s.interval.map_or(s.mean, |i| i.high) * scale,
                    extrapolated: cell.extrapolated,
                })
            })
            .collect();
        points.sort_by_key(|v| v.agents);
        (!points.is_empty()).then_some(Line { policy, look, points })
    };
    let mut lines: Vec<Line> = looks(study).into_iter().filter_map(line).collect();
    // What stands out is drawn last, on top.
    lines.sort_by(|a, b| a.look.width.total_cmp(&b.look.width));
    lines
}

/// Axes of one panel.
struct Frame {
    x: Scale,
    y: Scale,
    left: f64,
    right: f64,
    sizes: Vec<u32>,
}

impl Frame {
    fn new(study: &Study, ticks: &Ticks, left: f64, right: f64) -> Self {
        let sizes = columns::sizes(study);
        let ends = (f64::from(sizes[0].max(1)), f64::from(sizes[sizes.len() - 1].max(2)));
        Self {
            x: Scale::new(ends, (left + 16.0, right - 16.0), true),
            y: Scale::new(ticks.range, (BOTTOM, TOP), ticks.log),
            left,
            right,
            sizes,
        }
    }

    fn grid(&self, canvas: &mut Canvas, ticks: &Ticks, labelled: bool, heading: &str) {
        for (value, decimals) in ticks.values.iter().zip(&ticks.decimals) {
            let y = self.y.at(*value);
            canvas.line(&[(self.left, y), (self.right, y)], GRID, 1.0, 1.0);
            if labelled {
                let text = tick(*value, *decimals);
                canvas.text((self.left - 10.0, y), &text, 14.0, TEXT, Align::Right);
            }
        }
        let mut free = f64::NEG_INFINITY;
        for &size in &self.sizes {
            let (x, text) = (self.x.at(f64::from(size)), size.to_string());
            canvas.line(&[(x, BOTTOM), (x, BOTTOM + 6.0)], FRAME, 1.0, 1.0);
            let half = text_width(&text, 14.0) / 2.0;
            if x - half > free {
                canvas.text((x, BOTTOM + 20.0), &text, 14.0, TEXT, Align::Centre);
                free = x + half + 6.0;
            }
        }
        canvas.line(&[(self.left, BOTTOM), (self.right, BOTTOM)], FRAME, 1.0, 1.0);
        let middle = f64::midpoint(self.left, self.right);
        canvas.text((middle, BOTTOM + 46.0), "team size N (workers), logarithmic", 14.0, TEXT, Align::Centre);
        canvas.text((middle, TOP - 18.0), heading, 15.0, TEXT, Align::Centre);
    }

    fn point(&self, agents: u32, value: f64) -> Point {
        (self.x.at(f64::from(agents)), self.y.at(value))
    }

    fn plot(&self, canvas: &mut Canvas, lines: &[Line]) {
        for line in lines.iter().filter(|line| line.points.len() > 1) {
            let upper = line.points.iter().map(|v| self.point(v.agents, v.high));
            let lower = line.points.iter().rev().map(|v| self.point(v.agents, v.low));
            let band: Vec<Point> = upper.chain(lower).collect();
            // Many bands on top of each other must not become mud; what stands out may be stronger.
            let alpha = if line.look.width > 3.0 { 0.22 } else { 0.11 };
            canvas.area(&band, line.look.ink, alpha);
        }
        for line in lines {
            let ink = line.look.ink;
            for pair in line.points.windows(2) {
                let from = self.point(pair[0].agents, pair[0].mean);
                let to = self.point(pair[1].agents, pair[1].mean);
                if pair[1].extrapolated {
                    canvas.dashes(from, to, ink, line.look.width);
                } else {
                    canvas.line(&[from, to], ink, 1.0, line.look.width);
                }
            }
            for value in &line.points {
                let at = self.point(value.agents, value.mean);
                let size = if line.look.width > 3.0 { 6.5 } else { 5.0 };
                canvas.marker(at, line.look.marker, size, ink, value.extrapolated);
            }
        }
    }

    /// Names beside the ends of their lines.
    fn labels(&self, canvas: &mut Canvas, lines: &[Line]) {
        let ends: Vec<Point> =
            lines.iter().filter_map(|line| line.points.last()).map(|v| self.point(v.agents, v.mean)).collect();
        let wanted: Vec<f64> = ends.iter().map(|p| p.1).collect();
        let placed = axis::spread(&wanted, 24.0, TOP + 6.0, BOTTOM - 6.0);
        for ((line, end), y) in lines.iter().zip(&ends).zip(placed) {
            let x = self.right + 14.0;
            let ink = line.look.ink;
            canvas.line(&[(end.0 + 9.0, end.1), (x, y)], ink, 0.55, 1.0);
            canvas.line(&[(x, y), (x + 26.0, y)], ink, 1.0, line.look.width);
            canvas.marker((x + 13.0, y), line.look.marker, 5.0, ink, false);
            let name = if line.look.width > 3.0 { ink } else { TEXT };
            canvas.text((x + 34.0, y), &fit(&line.policy, 14.5, 206.0), 14.5, name, Align::Left);
        }
    }
}
