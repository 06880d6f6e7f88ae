//! One block of ChaCha8 (D. J. Bernstein, "ChaCha, a variant of Salsa20", 2008) as eight 64-bit lanes, little end
//! first. Rows of the state are vectors where every processor of the target has them; the portable form gives the same
//! bits.

/// "expand 32-byte k", the constant of the ChaCha state.
const SIGMA: [u32; 4] = [0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574];

/// The block at a 64-bit counter and a 64-bit nonce.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(super) fn block(key: [u32; 8], counter: u64, nonce: u64) -> [u64; 8] {
    rows::block(key, counter, nonce)
}

/// The block at a 64-bit counter and a 64-bit nonce.
#[cfg(not(target_arch = "x86_64"))]
#[inline]
pub(super) fn block(key: [u32; 8], counter: u64, nonce: u64) -> [u64; 8] {
    portable_block(key, counter, nonce)
}

/// Four words per instruction: SSE2 belongs to every x86-64 processor.
#[cfg(target_arch = "x86_64")]
mod rows {
    use super::SIGMA;
    use safe_arch::{
        add_i32_m128i, bitor_m128i, bitxor_m128i, get_i64_from_m128i_s, m128i, set_i64_m128i, shl_imm_u32_m128i,
        shr_imm_u32_m128i, shuffle_ai_f32_all_m128i, unpack_high_i64_m128i,
    };

    /// `turn = (turn ^ sum) <<< LEFT` after `sum += add`; `RIGHT` is 32 less `LEFT`.
    #[inline]
    fn mix<const LEFT: i32, const RIGHT: i32>(sum: &mut m128i, add: m128i, turn: &mut m128i) {
        *sum = add_i32_m128i(*sum, add);
        let mixed = bitxor_m128i(*turn, *sum);
        *turn = bitor_m128i(shl_imm_u32_m128i::<LEFT>(mixed), shr_imm_u32_m128i::<RIGHT>(mixed));
    }

    #[inline]
    fn quarter_rounds(a: &mut m128i, b: &mut m128i, c: &mut m128i, d: &mut m128i) {
        mix::<16, 16>(a, *b, d);
        mix::<12, 20>(c, *d, b);
        mix::<8, 24>(a, *b, d);
        mix::<7, 25>(c, *d, b);
    }

    /// A row turned left by one, two and three columns.
    const TURNS: [i32; 3] = [0b00_11_10_01, 0b01_00_11_10, 0b10_01_00_11];

    #[inline]
    pub(super) fn block(key: [u32; 8], counter: u64, nonce: u64) -> [u64; 8] {
        let [k0, k1, k2, k3, k4, k5, k6, k7] = key;
        let start = [
            m128i::from(SIGMA),
            m128i::from([k0, k1, k2, k3]),
            m128i::from([k4, k5, k6, k7]),
            set_i64_m128i(nonce.cast_signed(), counter.cast_signed()),
        ];
        let [mut a, mut b, mut c, mut d] = start;
        for _ in 0..4 {
            quarter_rounds(&mut a, &mut b, &mut c, &mut d);
            b = shuffle_ai_f32_all_m128i::<{ TURNS[0] }>(b);
            c = shuffle_ai_f32_all_m128i::<{ TURNS[1] }>(c);
            d = shuffle_ai_f32_all_m128i::<{ TURNS[2] }>(d);
            quarter_rounds(&mut a, &mut b, &mut c, &mut d);
            b = shuffle_ai_f32_all_m128i::<{ TURNS[2] }>(b);
            c = shuffle_ai_f32_all_m128i::<{ TURNS[1] }>(c);
            d = shuffle_ai_f32_all_m128i::<{ TURNS[0] }>(d);
        }
        let halves = |mixed, before| {
            let sum = add_i32_m128i(mixed, before);
            [
                get_i64_from_m128i_s(sum).cast_unsigned(),
                get_i64_from_m128i_s(unpack_high_i64_m128i(sum, sum)).cast_unsigned(),
            ]
        };
        let [[l0, l1], [l2, l3], [l4, l5], [l6, l7]] =
            [halves(a, start[0]), halves(b, start[1]), halves(c, start[2]), halves(d, start[3])];
        [l0, l1, l2, l3, l4, l5, l6, l7]
    }
}

/// The same in plain words.
#[cfg(any(test, not(target_arch = "x86_64")))]
pub(super) fn portable_block(key: [u32; 8], counter: u64, nonce: u64) -> [u64; 8] {
    let start = [
        SIGMA,
        [key[0], key[1], key[2], key[3]],
        [key[4], key[5], key[6], key[7]],
        [counter as u32, (counter >> 32) as u32, nonce as u32, (nonce >> 32) as u32],
    ];
    let turned = |row: [u32; 4], by: usize| std::array::from_fn(|column| row[(column + by) % 4]);
    let [mut a, mut b, mut c, mut d] = start;
    for _ in 0..4 {
        quarter_rounds(&mut a, &mut b, &mut c, &mut d);
        (b, c, d) = (turned(b, 1), turned(c, 2), turned(d, 3));
        quarter_rounds(&mut a, &mut b, &mut c, &mut d);
        (b, c, d) = (turned(b, 3), turned(c, 2), turned(d, 1));
    }
    let rows = [a, b, c, d];
    std::array::from_fn(|lane| {
        let word = |i: usize| u64::from(rows[i / 4][i % 4].wrapping_add(start[i / 4][i % 4]));
        word(2 * lane) | word(2 * lane + 1) << 32
    })
}

#[cfg(any(test, not(target_arch = "x86_64")))]
fn quarter_rounds(a: &mut [u32; 4], b: &mut [u32; 4], c: &mut [u32; 4], d: &mut [u32; 4]) {
    mix(a, b, d, 16);
    mix(c, d, b, 12);
    mix(a, b, d, 8);
    mix(c, d, b, 7);
}

/// `sum += add; turn = (turn ^ sum) <<< by`, column by column.
#[cfg(any(test, not(target_arch = "x86_64")))]
fn mix(sum: &mut [u32; 4], add: &[u32; 4], turn: &mut [u32; 4], by: u32) {
    for column in 0..4 {
        sum[column] = sum[column].wrapping_add(add[column]);
        turn[column] = (turn[column] ^ sum[column]).rotate_left(by);
    }
}
