//! Kernels that are wrong on purpose (`kernels/emulator/*.cu`), and a device that launches them.

use orthoscope::Result;
use orthoscope::backend::Unit;
use orthoscope::backend::cuda::driver::emulator::{Emulator, Observer, Settings};
use orthoscope::backend::cuda::driver::{Address, Driver, Launch};
use orthoscope::backend::cuda::{File, Kernel};

/// Files of broken kernels: those that the emulator finds, and those that take the observer.
static FILES: [File; 2] = [
    File { name: "faults.cu", text: include_str!("../../kernels/emulator/faults.cu"), only: None },
    File { name: "faults_observed.cu", text: include_str!("../../kernels/emulator/faults_observed.cu"), only: None },
];
/// Default number of threads per block: two warps.
pub const THREADS: u32 = 64;

/// The file that defines a kernel.
fn file_of(kernel: &str) -> &'static File {
    let defines = |file: &&File| file.text.contains(&format!("KERNEL {kernel}("));
    FILES.iter().find(defines).unwrap_or_else(|| panic!("no kernel {kernel}"))
}

/// An emulated device with buffers of floats.
pub struct Device(pub Emulator);

/// An argument of a kernel.
#[derive(Clone, Copy)]
pub enum Argument {
    Buffer(Address),
    Number(u32),
}

impl Argument {
    fn bytes(self) -> Vec<u8> {
        match self {
            Self::Buffer(address) => address.to_ne_bytes().to_vec(),
            Self::Number(number) => number.to_ne_bytes().to_vec(),
        }
    }
}

impl Device {
    pub fn new(seed: u64) -> Self {
        Self(Emulator::new(seed))
    }

    pub fn observed(seed: u64, observer: &Observer) -> Self {
        Self(Emulator::with(Settings { seed, observer: Some(observer.clone()), ..Settings::default() }))
    }

    pub fn unwritten(&self, len: usize) -> Address {
        self.0.allocate(4 * len).unwrap()
    }

    pub fn ones(&self, len: usize) -> Address {
        let address = self.unwritten(len);
        let bytes: Vec<u8> = 1.0f32.to_ne_bytes().repeat(len);
        self.0.write(address, &bytes).unwrap();
        address
    }

    pub fn floats(&self, address: Address, len: usize) -> Vec<f32> {
        let mut bytes = vec![0; 4 * len];
        self.0.read(address, &mut bytes).unwrap();
        bytes.chunks(4).map(|bytes| f32::from_ne_bytes(bytes.try_into().unwrap())).collect()
    }

    pub fn launch(&self, name: &'static str, [blocks, threads]: [u32; 2], arguments: &[Argument]) -> Result<()> {
        let kernel = Kernel { name, file: &FILES[0], threads, dynamic_shared: 0, unit: Unit::Fma, flops: "0", bytes: "0" };
        let arguments: Vec<Vec<u8>> = arguments.iter().map(|argument| argument.bytes()).collect();
        let arguments: Vec<&[u8]> = arguments.iter().map(Vec::as_slice).collect();
        let (grid, block) = ([blocks, 1, 1], [threads, 1, 1]);
        self.0.launch(&Launch { kernel: Box::leak(Box::new(kernel)), grid, block, arguments: &arguments })
    }
}

/// `file:line` of every marked line of a kernel.
pub fn marked_lines(kernel: &str) -> Vec<String> {
    let File { name, text, .. } = file_of(kernel);
    let start = text.find(&format!("KERNEL {kernel}(")).unwrap();
    let end = text.find(&format!("REGISTER_KERNEL({kernel})")).unwrap();
    let first = text[..start].lines().count() + 1;
    let lines = text[start..end].lines().enumerate();
    lines.filter(|(_, line)| line.contains("// FAULT")).map(|(index, _)| format!("{name}:{}", first + index)).collect()
}

pub const ONE_BLOCK: [u32; 2] = [1, THREADS];

/// A buffer of ones and an unwritten buffer, each with one element per thread of a block.
pub fn both(device: &Device) -> Vec<Argument> {
    vec![Argument::Buffer(device.ones(THREADS as usize)), target(device)]
}

pub fn target(device: &Device) -> Argument {
    Argument::Buffer(device.unwritten(THREADS as usize))
}
