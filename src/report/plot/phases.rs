//! Where agent time goes: one bar per policy, stacked by phase, at the largest published size and at the largest.

use super::canvas::{Align, Canvas, Ink, WIDTH, fit, text_width};
use super::lines::{foot, head};
use super::style::{FRAME, GRID, TEXT, WHITE};
use super::{caption, columns, number, tick};
use crate::experiment::Study;
use crate::experiment::study::Cell;

/// Phases in the order of the bars: what advances the solution, what coordination costs, what is waiting.
const PHASES: [(&str, &str, Ink); 13] = [
    ("share_work", "work", Ink(27, 108, 168)),
    ("share_tool", "tool", Ink(127, 184, 222)),
    ("share_coordination", "coordination", Ink(230, 159, 0)),
    ("share_verification", "verification", Ink(0, 158, 115)),
    ("share_duplicated", "duplicated", Ink(178, 34, 34)),
    ("share_relay_wait", "relay wait", Ink(94, 60, 153)),
    ("share_barrier_wait", "barrier wait", Ink(160, 130, 205)),
    ("share_input_wait", "input wait", Ink(211, 190, 235)),
    ("share_lock_wait", "lock wait", Ink(136, 34, 85)),
    ("share_slot_wait", "slot wait", Ink(204, 121, 167)),
    ("share_rate_limit_wait", "rate-limit wait", Ink(240, 178, 205)),
    ("share_start_up", "start-up", Ink(140, 140, 140)),
    ("share_idle_tail", "idle tail", Ink(212, 212, 212)),
];

const LEFT: f64 = 232.0;
const RIGHT: f64 = WIDTH - 36.0;
const BETWEEN: f64 = 44.0;
const TOP: f64 = 130.0;
const BOTTOM: f64 = 570.0;
/// Shares below this in every bar leave no trace, and no place in the legend.
const VISIBLE: f64 = 0.0005;

/// The figure, if the study has phases.
pub(super) fn draw(study: &Study) -> Option<Canvas> {
    let sizes = columns::sizes(study);
    let mut shown: Vec<u32> = columns::largest_published(study).into_iter().chain(sizes.last().copied()).collect();
    shown.dedup();
    let cells: Vec<&Cell> = study
        .cells
        .iter()
        .filter(|c| shown.contains(&c.agents) && PHASES.iter().any(|p| c.get(p.0).is_some()))
        .collect();
    if cells.is_empty() {
        return None;
    }
    let mut policies: Vec<&str> = Vec::new();
    for cell in &cells {
        if !policies.contains(&cell.policy.as_str()) {
            policies.push(&cell.policy);
        }
    }
    let mut canvas = Canvas::default();
    head(&mut canvas, "Where agent time goes", "percent of agents x makespan, mean over replications");
    let row = ((BOTTOM - TOP) / policies.len() as f64).min(72.0);
    for (i, policy) in policies.iter().enumerate() {
        let y = TOP + row * (i as f64 + 0.5);
        canvas.text((LEFT - 12.0, y), &fit(policy, 14.5, 208.0), 14.5, TEXT, Align::Right);
    }
    let count = shown.len() as f64;
    let width = (RIGHT - LEFT - BETWEEN * (count - 1.0)) / count;
    let bottom = TOP + row * policies.len() as f64;
    for (i, &agents) in shown.iter().enumerate() {
        let left = LEFT + i as f64 * (width + BETWEEN);
        let mine: Vec<&Cell> = cells.iter().copied().filter(|c| c.agents == agents).collect();
        panel(&mut canvas, (left, width, bottom), &mine, agents);
        for (j, policy) in policies.iter().enumerate() {
            if let Some(cell) = mine.iter().find(|c| c.policy == *policy) {
                let y = TOP + row * (j as f64 + 0.5);
                bar(&mut canvas, cell, (left, width), (y, row * 0.34));
            }
        }
    }
    legend(&mut canvas, &cells, bottom + 56.0);
    let starred = if cells.iter().any(|c| c.extrapolated) { "*: beyond published team sizes" } else { "" };
    foot(&mut canvas, &caption(study, &[starred]));
    Some(canvas)
}

/// The colour of a phase; none for a name that is no phase.
pub(super) fn ink(name: &str) -> Option<Ink> {
    PHASES.iter().find(|(_, phase, _)| *phase == name).map(|(_, _, ink)| *ink)
}

fn share(cell: &Cell, phase: &str) -> f64 {
    let mean = cell.get(phase).map_or(0.0, |s| number::summary(s).mean);
    if mean.is_finite() { mean } else { 0.0 }
}

/// Heading and scale of one team size.
fn panel(canvas: &mut Canvas, (left, width, bottom): (f64, f64, f64), cells: &[&Cell], agents: u32) {
    let beyond = !cells.is_empty() && cells.iter().all(|c| c.extrapolated);
    let heading = if beyond { format!("N = {agents}, beyond published team sizes") } else { format!("N = {agents}") };
    canvas.text((left + width / 2.0, TOP - 22.0), &heading, 15.0, TEXT, Align::Centre);
    for percent in [0.0, 25.0, 50.0, 75.0, 100.0] {
        let x = left + width * percent / 100.0;
        canvas.line(&[(x, TOP), (x, bottom)], GRID, 1.0, 1.0);
        canvas.text((x, bottom + 16.0), &tick(percent, 0), 13.0, TEXT, Align::Centre);
    }
    canvas.line(&[(left, bottom), (left + width, bottom)], FRAME, 1.0, 1.0);
}

fn bar(canvas: &mut Canvas, cell: &Cell, (left, width): (f64, f64), (y, half): (f64, f64)) {
    let mut x = left;
    for (phase, _, ink) in PHASES {
        let share = share(cell, phase);
        let end = x + share * width;
        if share >= VISIBLE {
            canvas.rect((x, y - half), (end, y + half), ink);
            canvas.line(&[(end, y - half), (end, y + half)], WHITE, 1.0, 1.0);
            let text = tick(share * 100.0, 0);
            if end - x > text_width(&text, 12.5) + 8.0 {
                let middle = f64::midpoint(x, end);
                canvas.text((middle, y), &text, 12.5, contrast(ink), Align::Centre);
            }
        }
        x = end;
    }
    if cell.extrapolated {
        canvas.text((left + width + 6.0, y), "*", 15.0, TEXT, Align::Left);
    }
}

/// Dark text on light colours, white on dark ones.
pub(super) fn contrast(Ink(r, g, b): Ink) -> Ink {
    let light = 299 * u32::from(r) + 587 * u32::from(g) + 114 * u32::from(b);
    if light > 140_000 { TEXT } else { WHITE }
}

fn legend(canvas: &mut Canvas, cells: &[&Cell], top: f64) {
    let present = PHASES.iter().filter(|p| cells.iter().any(|c| share(c, p.0) >= VISIBLE));
    let column = (RIGHT - 28.0) / 7.0;
    for (i, (_, name, ink)) in present.enumerate() {
        let x = 28.0 + column * (i % 7) as f64;
        let y = top + 26.0 * (i / 7) as f64;
        canvas.rect((x, y - 7.0), (x + 14.0, y + 7.0), *ink);
        canvas.text((x + 21.0, y), name, 14.0, TEXT, Align::Left);
    }
}
