//! Importing other programs' records: what each format gives, what is told about damage, and that no damage is a panic.
//! Fixtures are made up. Real records are read from the shared folder when it is there.

mod import {
    mod agents;
    mod check;
    mod damage;
    mod formats;
    mod kinds;
    mod plain;
    mod real;
    mod screen;
    mod trouble;
}
