//! MD5 (RFC 1321). OCI names an API key by the MD5 of its encoding; nothing rests on MD5's
//! strength, and aws-lc-rs offers none.

use std::num::Wrapping;

const BLOCK: usize = 64;
const SHIFTS: [[u32; 4]; 4] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];

/// The table of RFC 1321 §3.4: the integer parts of 2^32 times |sin(i)|.
const SINES: [u32; BLOCK] = [
    0xd76a_a478,
    0xe8c7_b756,
    0x2420_70db,
    0xc1bd_ceee,
    0xf57c_0faf,
    0x4787_c62a,
    0xa830_4613,
    0xfd46_9501,
    0x6980_98d8,
    0x8b44_f7af,
    0xffff_5bb1,
    0x895c_d7be,
    0x6b90_1122,
    0xfd98_7193,
    0xa679_438e,
    0x49b4_0821,
    0xf61e_2562,
    0xc040_b340,
    0x265e_5a51,
    0xe9b6_c7aa,
    0xd62f_105d,
    0x0244_1453,
    0xd8a1_e681,
    0xe7d3_fbc8,
    0x21e1_cde6,
    0xc337_07d6,
    0xf4d5_0d87,
    0x455a_14ed,
    0xa9e3_e905,
    0xfcef_a3f8,
    0x676f_02d9,
    0x8d2a_4c8a,
    0xfffa_3942,
    0x8771_f681,
    0x6d9d_6122,
    0xfde5_380c,
    0xa4be_ea44,
    0x4bde_cfa9,
    0xf6bb_4b60,
    0xbebf_bc70,
    0x289b_7ec6,
    0xeaa1_27fa,
    0xd4ef_3085,
    0x0488_1d05,
    0xd9d4_d039,
    0xe6db_99e5,
    0x1fa2_7cf8,
    0xc4ac_5665,
    0xf429_2244,
    0x432a_ff97,
    0xab94_23a7,
    0xfc93_a039,
    0x655b_59c3,
    0x8f0c_cc92,
    0xffef_f47d,
    0x8584_5dd1,
    0x6fa8_7e4f,
    0xfe2c_e6e0,
    0xa301_4314,
    0x4e08_11a1,
    0xf753_7e82,
    0xbd3a_f235,
    0x2ad7_d2bb,
    0xeb86_d391,
];

/// Returns the digest of `message`.
pub(crate) fn digest(message: &[u8]) -> [u8; 16] {
    let bits = u64::try_from(message.len()).unwrap_or(u64::MAX).wrapping_mul(8);
    let mut padded = message.to_vec();
    padded.push(0x80);
    while padded.len() % BLOCK != BLOCK - 8 {
        padded.push(0);
    }
    padded.extend_from_slice(&bits.to_le_bytes());
    let start = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476].map(Wrapping);
    let state = padded.chunks_exact(BLOCK).fold(start, add_block);
    let mut digest = [0; 16];
    for (bytes, word) in digest.chunks_exact_mut(4).zip(state) {
        bytes.copy_from_slice(&word.0.to_le_bytes());
    }
    digest
}

fn add_block(state: [Wrapping<u32>; 4], block: &[u8]) -> [Wrapping<u32>; 4] {
    let little_endian =
        |bytes: &[u8]| bytes.iter().rev().fold(0, |n, byte| n << 8 | u32::from(*byte));
    let words: Vec<u32> = block.chunks_exact(4).map(little_endian).collect();
    let [mut a, mut b, mut c, mut d] = state;
    for (step, sine) in SINES.iter().enumerate() {
        let (round, turn) = (step / 16, step % 4);
        let (mixed, index) = match round {
            0 => ((b & c) | (!b & d), step),
            1 => ((d & b) | (!d & c), 5 * step + 1),
            2 => (b ^ c ^ d, 3 * step + 5),
            _ => (c ^ (b | !d), 7 * step),
        };
        let word = Wrapping(words.get(index % 16).copied().unwrap_or_default());
        let shift = SHIFTS.get(round).and_then(|shifts| shifts.get(turn)).copied().unwrap_or(0);
        let sum = a + mixed + word + Wrapping(*sine);
        (a, d, c) = (d, c, b);
        b += Wrapping(sum.0.rotate_left(shift));
    }
    let [a0, b0, c0, d0] = state;
    [a0 + a, b0 + b, c0 + c, d0 + d]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_test_suite_of_rfc_1321() {
        let digits =
            "12345678901234567890123456789012345678901234567890123456789012345678901234567890";
        for (message, expected) in [
            ("", "d41d8cd98f00b204e9800998ecf8427e"),
            ("a", "0cc175b9c0f1b6a831c399e269772661"),
            ("message digest", "f96b697d7cb7938d525a2f31aaf161d0"),
            ("abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b"),
            (digits, "57edf4a22be3c955ac49da2e2107b67a"),
        ] {
            let hex: Vec<String> =
                digest(message.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(hex.concat(), expected);
        }
    }
}
