//! The command line of mcp-interop.

fn main() -> std::process::ExitCode {
    mcp_interop::cli::main()
}
