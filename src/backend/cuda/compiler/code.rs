//! The size of each kernel's machine code, from the section headers of a CUBIN, which is an ELF file.

/// A section that holds a kernel begins its name with this.
const PREFIX: &str = ".text.";
/// Offsets in the header of a 64-bit ELF file: of the section headers, the size of one, their number, and the index of the names.
const SECTIONS: usize = 0x28;
const ENTRY: usize = 0x3a;
const COUNT: usize = 0x3c;
const NAMES: usize = 0x3e;
/// Offsets in a section header: of its name among the names, its place in the file, and its size.
const NAME: usize = 0x00;
const PLACE: usize = 0x18;
const SIZE: usize = 0x20;

/// Bytes of code of each kernel of a CUBIN, `(kernel, bytes)`, including the functions that it calls; empty if this is no CUBIN.
pub fn sizes(cubin: &[u8]) -> Vec<(String, u64)> {
    read(cubin).unwrap_or_default()
}

fn read(file: &[u8]) -> Option<Vec<(String, u64)>> {
    // The magic number, 64 bits, little-endian.
    if !file.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let (start, entry) = (number::<8>(file, SECTIONS)?, number::<2>(file, ENTRY)?);
    let header = |index: u64| usize::try_from(start.checked_add(index.checked_mul(entry)?)?).ok();
    let names = number::<8>(file, header(number::<2>(file, NAMES)?)?.checked_add(PLACE)?)?;
    let mut found = Vec::new();
    for index in 0..number::<2>(file, COUNT)? {
        let header = header(index)?;
        let name = usize::try_from(names.checked_add(number::<4>(file, header.checked_add(NAME)?)?)?).ok()?;
        let rest = file.get(name..)?;
        let name = &rest[..rest.iter().position(|&byte| byte == 0)?];
        if let Some(kernel) = std::str::from_utf8(name).ok()?.strip_prefix(PREFIX) {
            found.push((kernel.to_owned(), number::<8>(file, header.checked_add(SIZE)?)?));
        }
    }
    Some(found)
}

/// A little-endian number of `N` bytes.
fn number<const N: usize>(file: &[u8], at: usize) -> Option<u64> {
    let bytes = file.get(at..at.checked_add(N)?)?;
    Some(bytes.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An ELF file with these sections, `(name, size)`.
    fn elf(sections: &[(&str, u64)]) -> Vec<u8> {
        const HEADER: usize = 64;
        let mut names = vec![0];
        let mut headers = vec![0; HEADER];
        for &(name, size) in sections {
            let mut header = [0; HEADER];
            header[NAME..NAME + 4].copy_from_slice(&(names.len() as u32).to_le_bytes());
            header[SIZE..SIZE + 8].copy_from_slice(&size.to_le_bytes());
            names.extend(name.bytes().chain([0]));
            headers.extend(header);
        }
        // Section 0 has no name and holds the names of all.
        let place = (HEADER + headers.len()) as u64;
        headers[PLACE..PLACE + 8].copy_from_slice(&place.to_le_bytes());
        let mut file = vec![0; HEADER];
        file[..6].copy_from_slice(b"\x7fELF\x02\x01");
        file[SECTIONS] = HEADER as u8;
        file[ENTRY] = HEADER as u8;
        file[COUNT] = sections.len() as u8 + 1;
        file.extend(headers);
        file.extend(names);
        file
    }

    #[test]
    fn sections_of_code_are_measured() {
        let file = elf(&[(".nv.info", 5), (".text.conv2d", 0x29c00), (".text.axpy", 512), (".nv.constant0.axpy", 9)]);
        assert_eq!(sizes(&file), [("conv2d".to_owned(), 0x29c00), ("axpy".to_owned(), 512)]);
    }

    #[test]
    fn damaged_files_have_no_code() {
        let file = elf(&[(".text.axpy", 512)]);
        for len in 0..file.len() - 1 {
            assert_eq!(sizes(&file[..len]), [], "cut to {len} bytes");
        }
        for at in 0..file.len() {
            let mut broken = file.clone();
            broken[at] = 0xff;
            // Whatever is found, it is found without a panic.
            sizes(&broken);
        }
        assert_eq!(sizes(b"no cubin"), []);
    }
}
