/**
 * Which files are databases: told by their names alone, so that whoever asks needs no SQLite.
 *
 * @module
 */

/** Whether a file's name says that it is a SQLite database. */
export function isSqliteFile(path: string): boolean {
  return /\.(sqlite3?|db)$/i.test(path);
}
