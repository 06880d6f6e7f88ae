//! Weighted least squares with non-negative coefficients, for a handful of them.

/// Number of coefficients.
pub(super) const TERMS: usize = 5;
/// One row of the design.
pub(super) type Row = [f64; TERMS];

/// The non-negative coefficients that minimise `sum w (y - x b)^2` over `(x, y, w)`.
///
/// With five terms there are 31 supports; each is solved and the best feasible one taken, which is exact and needs
/// no active-set bookkeeping. Terms that are zero or collinear on a support rule that support out.
pub(super) fn non_negative(rows: impl Iterator<Item = (Row, f64, f64)>) -> Row {
    let mut gram = [[0.0; TERMS]; TERMS];
    let mut moment = [0.0; TERMS];
    for (x, y, w) in rows {
        for (i, (line, moment)) in gram.iter_mut().zip(&mut moment).enumerate() {
            *moment += w * x[i] * y;
            // The lower triangle is all that Cholesky's method reads.
            for (cell, other) in line.iter_mut().zip(&x[..=i]) {
                *cell += w * x[i] * other;
            }
        }
    }
    let mut best = ([0.0; TERMS], 0.0);
    for support in 1_u32..1 << TERMS {
        let terms: Vec<usize> = (0..TERMS).filter(|i| support >> i & 1 == 1).collect();
        let Some(solution) = solve(&gram, &moment, &terms) else {
            continue;
        };
        if solution.iter().any(|value| *value < 0.0) {
            continue;
        }
        // At a solution of the normal equations the sum of squares falls by b'X'y.
        let gain: f64 = terms.iter().zip(&solution).map(|(&i, b)| moment[i] * b).sum();
        if gain > best.1 {
            best = ([0.0; TERMS], gain);
            for (&i, &value) in terms.iter().zip(&solution) {
                best.0[i] = value;
            }
        }
    }
    best.0
}

/// Solves the normal equations on some of the terms by Cholesky's method; `None` if they are collinear.
fn solve(gram: &[Row; TERMS], moment: &Row, terms: &[usize]) -> Option<Vec<f64>> {
    let n = terms.len();
    let mut factor = vec![vec![0.0; n]; n];
    for i in 0..n {
        for j in 0..=i {
            let done: f64 = (0..j).map(|k| factor[i][k] * factor[j][k]).sum();
            let rest = gram[terms[i]][terms[j]] - done;
            if i == j {
                if rest <= 1e-10 * gram[terms[i]][terms[i]] {
                    return None;
                }
                factor[i][i] = rest.sqrt();
            } else {
                factor[i][j] = rest / factor[j][j];
            }
        }
    }
    let mut solution = vec![0.0; n];
    for i in 0..n {
        let done: f64 = (0..i).map(|k| factor[i][k] * solution[k]).sum();
        solution[i] = (moment[terms[i]] - done) / factor[i][i];
    }
    for i in (0..n).rev() {
        let done: f64 = (i + 1..n).map(|k| factor[k][i] * solution[k]).sum();
        solution[i] = (solution[i] - done) / factor[i][i];
    }
    Some(solution)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(b: Row) -> Vec<(Row, f64, f64)> {
        let row = |i: u32| {
            let x = [1.0, f64::from(i % 7), f64::from(i % 11), f64::from(i % 3), f64::from(i * i % 13)];
            (x, x.iter().zip(b).map(|(x, b)| x * b).sum(), 1.0)
        };
        (0..100).map(row).collect()
    }

    #[test]
    fn exact_coefficients_come_back() {
        let b = [1.5, 0.25, 0.0, 2.0, 0.125];
        let found = non_negative(rows(b).into_iter());
        assert!(found.iter().zip(b).all(|(x, y)| (x - y).abs() < 1e-9), "{found:?}");
    }

    #[test]
    fn negative_effects_become_zero_and_collinear_terms_do_no_harm() {
        let found = non_negative(rows([1.0, -0.5, 0.0, 3.0, 0.0]).into_iter());
        assert_eq!(found[1], 0.0);
        let twice = rows([1.0, 0.5, 0.0, 0.0, 0.0]).into_iter();
        let found = non_negative(twice.map(|(mut x, y, w)| {
            x[2] = x[1];
            x[4] = 0.0;
            (x, y, w)
        }));
        assert!((found[1] + found[2] - 0.5).abs() < 1e-9);
    }
}
