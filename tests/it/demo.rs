//! `tallygate demo`, twice on one data folder.

use anyhow::Result;
use tallygate_tests::binaries::binary;
use tallygate_tests::process::Process;

#[tokio::test]
async fn the_demo_shows_the_main_job_and_works_a_second_time() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().to_string_lossy().into_owned();
    for _ in 0..2 {
        let arguments = ["demo", "--port", "0", "--data", &data].map(str::to_owned);
        let mut demo = Process::start(&binary("tallygate")?, arguments, Vec::<(String, String)>::new())?;
        demo.wait_for(|line| line.contains("keeps serving at").then_some(())).await?;
        let output = demo.output();
        for shown in
            ["Hello from demo/small", "Hello from demo/large", "budget_exhausted", "the chain of", "simulated provider"]
        {
            assert!(output.contains(shown), "{shown}: {output}");
        }
        demo.kill().await?;
    }
    Ok(())
}
