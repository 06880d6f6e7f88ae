//! The best that a policy can do within a spend: of all its points, or of two of them mixed over tasks.
//!
//! A user with many tasks can run one point on some of them and a dearer one on the rest, so that any spend between two
//! points can be met exactly. What is attainable is therefore the upper concave hull of the points, which moves
//! continuously with the spend: no point falls out because it is a cent too dear.

/// A point, or two mixed: candidates with their shares of the tasks, which sum to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Mixture {
    parts: [(usize, f64); 2],
}

impl Mixture {
    pub(super) fn pure(candidate: usize) -> Self {
        Self { parts: [(candidate, 1.0), (candidate, 0.0)] }
    }

    /// The same of candidates with other numbers.
    pub(super) fn renamed(self, name: impl Fn(usize) -> usize) -> Self {
        Self { parts: self.parts.map(|(candidate, share)| (name(candidate), share)) }
    }

    /// Candidates that take part, with their shares.
    pub(super) fn parts(&self) -> impl Iterator<Item = (usize, f64)> + '_ {
        self.parts.iter().copied().filter(|(_, share)| *share > 0.0)
    }

    /// The same candidates, shared out so that the mean spend is `most`, as far as it lies between theirs. What a point
    /// spends on other runs than those that chose it is not what it spent there, and costs have heavy tails.
    pub(super) fn settled(self, spend: impl Fn(usize) -> f64, most: f64) -> Self {
        let [(a, _), (b, share)] = self.parts;
        let (low, high) = (spend(a), spend(b));
        if share == 0.0 || low == high {
            return self;
        }
        let share = ((most - low) / (high - low)).clamp(0.0, 1.0);
        Self { parts: [(a, 1.0 - share), (b, share)] }
    }

    /// The mean of a quantity of the candidates.
    pub(super) fn mean(&self, of: impl Fn(usize) -> f64) -> f64 {
        self.parts().map(|(candidate, share)| share * of(candidate)).sum()
    }
}

/// The best mixture of `points` (spend, worth) whose mean spend is at most `most`; greater worth is better. None if even
/// the least spend is more.
pub(super) fn best(points: &[(f64, f64)], most: f64) -> Option<Mixture> {
    let mut order: Vec<usize> =
        (0..points.len()).filter(|i| points[*i].0.is_finite() && points[*i].1.is_finite()).collect();
    // At equal spend the better one comes last, so that it covers the other.
    order.sort_by(|a, b| points[*a].0.total_cmp(&points[*b].0).then(points[*a].1.total_cmp(&points[*b].1)));
    if order.first().is_none_or(|i| points[*i].0 > most) {
        return None;
    }
    // Upper concave hull from the cheapest point on.
    let mut hull: Vec<usize> = Vec::new();
    for &i in &order {
        if let Some(&last) = hull.last()
            && points[last].0 == points[i].0
        {
            hull.pop();
        }
        while let [.., a, b] = hull[..] {
            let ((xa, ya), (xb, yb), (x, y)) = (points[a], points[b], points[i]);
            if (yb - ya) * (x - xa) > (y - ya) * (xb - xa) {
                break;
            }
            hull.pop();
        }
        hull.push(i);
    }
    let within = hull.iter().take_while(|i| points[**i].0 <= most).count();
    let last = within - 1;
    // To spend more does not help where the hull falls.
    let top = (0..within).max_by(|a, b| points[hull[*a]].1.total_cmp(&points[hull[*b]].1)).unwrap_or(last);
    if top < last {
        return Some(Mixture::pure(hull[top]));
    }
    let here = hull[last];
    let Some(&next) = hull.get(within).filter(|next| points[**next].1 > points[here].1) else {
        return Some(Mixture::pure(here));
    };
    let share = (most - points[here].0) / (points[next].0 - points[here].0);
    Some(Mixture { parts: [(here, 1.0 - share), (next, share)] })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worth(points: &[(f64, f64)], most: f64) -> Option<f64> {
        let mixture = best(points, most)?;
        assert!(mixture.mean(|i| points[i].0) <= most + 1e-12);
        assert!((mixture.parts().map(|(_, share)| share).sum::<f64>() - 1.0).abs() < 1e-12);
        Some(mixture.mean(|i| points[i].1))
    }

    #[test]
    fn the_hull_is_met_exactly_and_never_left() {
        let points = [(1.0, 0.4), (2.0, 0.5), (4.0, 0.8), (3.0, 0.2), (5.0, 0.7)];
        assert_eq!(worth(&points, 0.9), None);
        assert_eq!(worth(&points, 1.0), Some(0.4));
        // (2, .5) lies below the line from (1, .4) to (4, .8).
        assert!((worth(&points, 2.0).unwrap() - (0.4 + 0.4 / 3.0)).abs() < 1e-12);
        assert_eq!(worth(&points, 4.0), Some(0.8));
        assert_eq!(worth(&points, 100.0), Some(0.8), "what is dearer and worse is not bought");
    }

    #[test]
    fn shares_follow_the_spend_of_other_runs() {
        let mixture = best(&[(1.0, 0.4), (3.0, 0.8)], 2.5).unwrap();
        let spends = [1.2, 5.2];
        let settled = mixture.settled(|i| spends[i], 2.2);
        assert!((settled.mean(|i| spends[i]) - 2.2).abs() < 1e-12);
        assert_eq!(mixture.settled(|i| spends[i], 9.0).mean(|i| spends[i]), 5.2);
        assert_eq!(Mixture::pure(0).settled(|i| spends[i], 9.0), Mixture::pure(0));
    }

    #[test]
    fn no_mixture_of_two_points_beats_it() {
        let mut state = 7_u64;
        let mut draw = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as f64 / (1_u64 << 31) as f64
        };
        for _ in 0..200 {
            let points: Vec<(f64, f64)> = (0..6).map(|_| (draw(), draw())).collect();
            let most = draw();
            let mut brute: Option<f64> = None;
            for a in &points {
                for b in &points {
                    for step in 0..=200 {
                        let share = f64::from(step) / 200.0;
                        let spend = a.0 * (1.0 - share) + b.0 * share;
                        let value = a.1 * (1.0 - share) + b.1 * share;
                        if spend <= most && brute.is_none_or(|best| value > best) {
                            brute = Some(value);
                        }
                    }
                }
            }
            match (worth(&points, most), brute) {
                (None, None) => {}
                (Some(ours), Some(brute)) => assert!(ours >= brute - 1e-12 && ours <= brute + 0.02, "{ours} {brute}"),
                other => panic!("{other:?}"),
            }
        }
    }
}
