//! Errors of PostgreSQL, as tests look at them.

use postgres::Error;

/// An error with the fields that tests look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The SQLSTATE, for example `42501`.
    pub code: String,
    /// The message.
    pub message: String,
    /// The hint, or nothing.
    pub hint: String,
    /// The details, or nothing.
    pub detail: String,
}

/// The error of a statement that must fail.
#[track_caller]
pub fn failure<T>(result: Result<T, Error>) -> Failure {
    match result {
        Ok(_) => panic!("the statement should have failed"),
        Err(error) => {
            let error = error
                .as_db_error()
                .unwrap_or_else(|| panic!("not the server's error: {error}"));
            Failure {
                code: error.code().code().to_owned(),
                message: error.message().to_owned(),
                hint: error.hint().unwrap_or_default().to_owned(),
                detail: error.detail().unwrap_or_default().to_owned(),
            }
        }
    }
}

/// The error of a statement that must be denied: 42501.
#[track_caller]
pub fn denied<T>(result: Result<T, Error>) -> Failure {
    let failure = failure(result);
    assert_eq!(failure.code, "42501", "{failure:?}");
    failure
}
