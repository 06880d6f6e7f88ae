//! Writing the files of a calibration: all or none.

use std::fs;
use std::path::Path;

use crate::experiment::calibration::CalibrationError;

/// Writes files into a folder, and says so in a line. A folder that already holds them is a success; another one that
/// is not empty needs `overwrite`, which replaces files of these names and leaves others alone.
pub(super) fn write(folder: &Path, files: &[(String, String)], overwrite: bool) -> Result<String, CalibrationError> {
    let fault =
        |path: &Path, why: &std::io::Error| CalibrationError::Write { path: path.to_owned(), why: why.to_string() };
    let shown = folder.display();
    let same =
        |(name, text): &(String, String)| fs::read(folder.join(name)).is_ok_and(|bytes| bytes == text.as_bytes());
    if files.iter().all(same) {
        return Ok(format!("{shown} holds the same presets already"));
    }
    let occupied = match fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_some(),
        Err(why) if why.kind() == std::io::ErrorKind::NotFound => false,
        Err(why) => {
            return Err(CalibrationError::Usage {
                wrong: format!("--output-dir {shown}: {why}"),
                mend: "name a folder".to_owned(),
            });
        }
    };
    if occupied && !overwrite {
        return Err(CalibrationError::Usage {
            wrong: format!("{shown} holds other files"),
            mend: "add --overwrite, or name another folder with --output-dir".to_owned(),
        });
    }
    fs::create_dir_all(folder).map_err(|why| fault(folder, &why))?;
    let partial = |name: &str| folder.join(format!(".{name}.partial"));
    let staged = files
        .iter()
        .try_for_each(|(name, text)| fs::write(partial(name), text).map_err(|why| fault(&folder.join(name), &why)));
    if staged.is_err() {
        for (name, _) in files {
            // What was staged may be missing: the fault to report is the one above.
            let _ = fs::remove_file(partial(name));
        }
    }
    staged?;
    for (name, _) in files {
        let path = folder.join(name);
        fs::rename(partial(name), &path).map_err(|why| fault(&path, &why))?;
    }
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    Ok(format!("wrote {shown}: {}", names.join(", ")))
}
