//! Writing the files of a calibration: all or none.

use std::fs;
use std::io::Write;
use std::path::Path;

use crate::cli::whole::Whole;
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
    let mut staged = Vec::with_capacity(files.len());
    for (name, text) in files {
        let path = folder.join(name);
        let file = Whole::begin(&path).and_then(|mut file| file.write_all(text.as_bytes()).map(|()| file));
        staged.push((file.map_err(|why| fault(&path, &why))?, path));
    }
    for (file, path) in staged {
        file.finish().map_err(|why| fault(&path, &why))?;
    }
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    Ok(format!("wrote {shown}: {}", names.join(", ")))
}
