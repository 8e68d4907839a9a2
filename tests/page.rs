//! The report of a reproduction: what its files hold, and what the page shows in a browser when a slider moves.

mod page {
    mod browser;
    mod data;
    mod node;
    mod sample;
    #[path = "../fixture/tool.rs"]
    mod tool;
}
