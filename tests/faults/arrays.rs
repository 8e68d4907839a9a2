//! `.npy` arrays that a command cannot use.

use crate::fixture::{Scratch, npy, npy_f32};

#[test]
fn invalid_inputs_of_a_network_are_rejected() {
    let scratch = Scratch::new();
    let values = [0_u8; 8 * 8 * 3 * 8];
    let square = |side: usize| npy_f32(&[1, side, side, 3], &vec![0.5; side * side * 3]);
    let mut nan = vec![0.5; 192];
    nan[7] = f32::NAN;
    for (bytes, reason) in [
        (npy("<i4", false, "(1, 8, 8, 3)", &values[..768]), "neither f32 nor f64"),
        (npy("|O", false, "(1,)", b"\x80\x04."), "not a usable .npy array"),
        (npy("<f4", false, "(1, 8, 8, 3)", &values[..700]), "not a usable .npy array: "),
        (npy("<f4", false, "(1000000, 1000000, 1000, 3)", &values), "has more than 4294967295 elements"),
        (npy("<f4", false, "(1, 8, 0, 3)", &[]), "every dimension must be at least 1"),
        (npy_f32(&[8, 8, 3], &[0.5; 192]), "[8, 8, 3]"),
        (npy_f32(&[1, 8, 8, 4], &[0.5; 256]), "needs [N, H, W, 3] with H and W divisible by 8, got [1, 8, 8, 4]"),
        (square(12), "needs [N, H, W, 3] with H and W divisible by 8, got [1, 12, 12, 3]"),
        (npy_f32(&[1, 8, 8, 3], &nan), "holds NaN"),
        (b"\x93NUMPY\x09\x00junk".to_vec(), "not a usable .npy array"),
        (b"no array".to_vec(), "not a usable .npy array"),
        (vec![], "not a usable .npy array"),
    ] {
        scratch.write("x.npy", bytes);
        let text = scratch.refuses("model forward --model run/model.safetensors --input x.npy --output y.npy");
        assert!(text.starts_with("x.npy: ") && text.contains(reason), "{text}");
    }
    let text = scratch.refuses("model forward --model run/model.safetensors --input none.npy --output y.npy");
    assert!(text.starts_with("none.npy: "), "{text}");
}

#[test]
fn invalid_score_maps_are_rejected() {
    let scratch = Scratch::new();
    for kind in scratch.names("cloth/test") {
        for name in scratch.names(format!("cloth/test/{kind}")) {
            let map: Vec<f32> = (0..64).map(|k| k as f32).collect();
            scratch.write(format!("maps/{kind}/{}", name.replace(".png", ".npy")), npy_f32(&[8, 8], &map));
        }
    }
    let command = "metrics --maps maps --data cloth --json";
    let of_rows = scratch.succeeds(command).out;
    // The same map in column-major order.
    let by_columns: Vec<u8> = (0..64).flat_map(|k| ((k % 8 * 8 + k / 8) as f32).to_le_bytes()).collect();
    scratch.write("maps/stain/000.npy", npy("<f4", true, "(8, 8)", &by_columns));
    assert_eq!(scratch.succeeds(command).out, of_rows);
    for (bytes, reason) in [
        (npy_f32(&[64], &[0.5; 64]), "an anomaly map must be [h, w], got [64]"),
        (npy_f32(&[4, 4, 4], &[0.5; 64]), "an anomaly map must be [h, w], got [4, 4, 4]"),
        (npy_f32(&[0, 8], &[]), "is empty: it has 0x8 pixels (height x width)"),
        (npy_f32(&[1, 2], &[0.5, f32::INFINITY]), "holds inf"),
        (npy("|u1", false, "(8, 8)", &[0; 64]), "neither f32 nor f64"),
    ] {
        scratch.write("maps/stain/000.npy", bytes);
        let text = scratch.refuses(command);
        assert!(text.starts_with("maps/stain/000.npy: ") && text.contains(reason), "{text}");
    }
    std::fs::remove_file(scratch.path("maps/stain/000.npy")).unwrap();
    let text = scratch.refuses(command);
    assert!(text.starts_with("maps/stain/000.npy: "), "{text}");
}
