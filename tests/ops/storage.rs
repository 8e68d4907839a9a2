use orthoscope::ops::Backend;

use super::common::*;

on_every_backend!(round_trips, short_operands_are_rejected);

fn round_trips<B: Backend>(backend: &B) {
    assert!(!backend.name().is_empty());
    let host = random(0, 1173);
    let buffer = upload(backend, &host);
    assert_eq!(backend.len(&buffer), host.len());
    assert_eq!(download(backend, &buffer), host);
    assert_eq!(download(backend, &backend.zeros(7).unwrap()), [0.0; 7]);
    assert_eq!(backend.len(&backend.alloc(7).unwrap()), 7);
    let mut target = backend.alloc(host.len()).unwrap();
    backend.copy(&buffer, &mut target).unwrap();
    assert_eq!(download(backend, &target), host);
}

fn short_operands_are_rejected<B: Backend>(backend: &B) {
    check_short_operands_are_rejected(backend, [7, 7], |[source, target]| backend.copy(source, target));
}
