use crate::figure::{Figure, Target};
use crate::subject::Subject;
use crate::{Result, process};

pub fn measure(subject: &Subject) -> Result<Vec<Figure>> {
    let mut figures = vec![
        Figure::new("size of the program", "MiB", process::file_size(&subject.binary)?).target(Target::AtMost(10.0)),
    ];
    // Made by hack/bench where the machine can build one.
    if let (true, Some(image)) = (subject.ours, std::env::var_os("BENCH_IMAGE")) {
        let size = process::file_size(image.as_ref())?;
        figures.push(Figure::new("size of the image (OCI archive)", "MiB", size).target(Target::AtMost(12.0)));
    }
    Ok(figures)
}
