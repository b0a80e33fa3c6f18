/**
 * The messages of TensorBoard's event files, as far as scalars need them: names and numbers are those of TensorFlow's
 * `event.proto` and `summary.proto`.
 *
 * @module
 */

import protobuf from "protobufjs";

const SCHEMA = `
  syntax = "proto3";
  package tensorflow;

  message Event {
    double wall_time = 1;
    int64 step = 2;
    oneof what {
      string file_version = 3;
      Summary summary = 5;
      SessionLog session_log = 7;
    }
  }
  message Summary {
    message Value {
      string tag = 1;
      oneof value { float simple_value = 2; }
    }
    repeated Value value = 1;
  }
  message SessionLog {
    enum SessionStatus { STATUS_UNSPECIFIED = 0; START = 1; }
    SessionStatus status = 1;
  }
`;

const type = protobuf.parse(SCHEMA, { keepCase: true }).root.lookupType("tensorflow.Event");

/** A line of an event file. */
export interface BoardEvent {
  /** Seconds since 1970. */
  readonly wall_time: number;
  readonly step?: number;
  readonly file_version?: string;
  readonly summary?: { readonly value: readonly { readonly tag: string; readonly simple_value: number }[] };
  /** Steps from this one on, of files before, are no part of the run any more. */
  readonly session_log?: { readonly status: 1 };
}

/** The message's bytes. */
export function encodeEvent(event: BoardEvent): Uint8Array {
  return type.encode(type.create(event)).finish();
}
