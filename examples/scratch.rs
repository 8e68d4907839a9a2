use orthoscope::backend::Cpu; use orthoscope::run::*; use orthoscope::data::Category; use orthoscope::detect::*; use std::path::Path; use std::sync::atomic::AtomicBool;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let config = Config::read(Path::new(&a[1])).unwrap();
    let data = Path::new(&a[2]); let out = Path::new(&a[3]);
    let job = TrainingJob::prepare(config, data, out, a.len() > 4).unwrap();
    let backend = Cpu::default(); let stop = AtomicBool::new(false);
    let mut m = 0.0; let start = std::time::Instant::now();
    job.run(&backend, &stop, |e| { m = if m == 0.0 { e.loss } else { 0.95*m + 0.05*e.loss }; if e.step % 20 == 0 { println!("{} loss {:.5} {:.1} im/s {:.0}s", e.step, m, e.images_per_second, start.elapsed().as_secs_f64()); } }).unwrap();
    let detector = Detector::read(&backend, &out.join("model.safetensors")).unwrap();
    let category = Category::open(data).unwrap();
    let report = evaluate_detector(&detector, &category, Resolution::Native, || ()).unwrap();
    report.write(out).unwrap();
    println!("{:?}\n{}\n{:?}", report.metrics, report.protocol, report.image_auroc_by_kind);
}
