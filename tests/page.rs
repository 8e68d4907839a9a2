//! The pages with scripts, of a reproduction and of `detect`: what their files hold, and what they show in a browser when a
//! slider or a key moves.

mod page {
    mod browser;
    mod chromium;
    mod data;
    mod detections;
    mod node;
    mod sample;
    #[path = "../fixture/tool.rs"]
    mod tool;
}
