//! `model export --onnx`: what the file holds, and that another program computes from it what `detect` does.

mod fixture;

mod onnx {
    mod agreement;
    mod file;
    mod models;
    mod reader;
}
