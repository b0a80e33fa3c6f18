/**
 * The messages of an ONNX file, as far as networks of images need them: names and numbers are those of `onnx.proto`.
 *
 * @module
 */

import protobuf from "protobufjs";

const SCHEMA = `
  syntax = "proto2";
  package onnx;

  message ModelProto {
    optional int64 ir_version = 1;
    optional string producer_name = 2;
    optional string doc_string = 6;
    optional GraphProto graph = 7;
    repeated OperatorSetIdProto opset_import = 8;
    repeated StringStringEntryProto metadata_props = 14;
  }
  message OperatorSetIdProto {
    optional string domain = 1;
    optional int64 version = 2;
  }
  message StringStringEntryProto {
    optional string key = 1;
    optional string value = 2;
  }
  message GraphProto {
    repeated NodeProto node = 1;
    optional string name = 2;
    repeated TensorProto initializer = 5;
    repeated ValueInfoProto input = 11;
    repeated ValueInfoProto output = 12;
  }
  message NodeProto {
    repeated string input = 1;
    repeated string output = 2;
    optional string name = 3;
    optional string op_type = 4;
    repeated AttributeProto attribute = 5;
  }
  message AttributeProto {
    enum AttributeType { FLOAT = 1; INT = 2; INTS = 7; }
    optional string name = 1;
    optional float f = 2;
    optional int64 i = 3;
    repeated int64 ints = 8;
    optional AttributeType type = 20;
  }
  message TensorProto {
    repeated int64 dims = 1;
    optional int32 data_type = 2;
    optional string name = 8;
    optional bytes raw_data = 9;
  }
  message ValueInfoProto {
    optional string name = 1;
    optional TypeProto type = 2;
  }
  message TypeProto {
    message Tensor {
      optional int32 elem_type = 1;
      optional TensorShapeProto shape = 2;
    }
    oneof value { Tensor tensor_type = 1; }
  }
  message TensorShapeProto {
    message Dimension {
      oneof value {
        int64 dim_value = 1;
        string dim_param = 2;
      }
    }
    repeated Dimension dim = 1;
  }
`;

// The names of fields as they are written above and in ONNX's documentation, not in camel case.
const ModelProto = protobuf.parse(SCHEMA, { keepCase: true }).root.lookupType("onnx.ModelProto");

/** `TensorProto.DataType`. */
export const FLOAT = 1;

/** An ONNX file. */
export interface OnnxModel {
  readonly ir_version: number;
  readonly producer_name: string;
  readonly doc_string: string;
  readonly graph: OnnxGraph;
  readonly opset_import: readonly { readonly domain: string; readonly version: number }[];
  readonly metadata_props: readonly { readonly key: string; readonly value: string }[];
}

/** What is computed. */
export interface OnnxGraph {
  readonly node: readonly OnnxNode[];
  readonly name: string;
  readonly initializer: readonly OnnxTensor[];
  readonly input: readonly OnnxValueInfo[];
  readonly output: readonly OnnxValueInfo[];
}

/** One operator. */
export interface OnnxNode {
  readonly input: readonly string[];
  readonly output: readonly string[];
  readonly name: string;
  readonly op_type: string;
  readonly attribute: readonly OnnxAttribute[];
}

/** What an operator is told besides its inputs: a float, a whole number or several. */
export type OnnxAttribute =
  & { readonly name: string }
  & (
    | { readonly type: "FLOAT"; readonly f: number }
    | { readonly type: "INT"; readonly i: number }
    | { readonly type: "INTS"; readonly ints: readonly number[] }
  );

/** Numbers that belong to the network, little-endian. */
export interface OnnxTensor {
  readonly dims: readonly number[];
  readonly data_type: number;
  readonly name: string;
  readonly raw_data: Uint8Array;
}

/** The name, the type and the shape of an input or output; a name instead of a size leaves the size open. */
export interface OnnxValueInfo {
  readonly name: string;
  readonly type: {
    readonly tensor_type: {
      readonly elem_type: number;
      readonly shape: { readonly dim: readonly ({ dim_value: number } | { dim_param: string })[] };
    };
  };
}

/** The bytes of the file. */
export function encodeModel(model: OnnxModel): Uint8Array {
  return ModelProto.encode(ModelProto.fromObject(model)).finish();
}

/** The file that `encodeModel` wrote, or what another program wrote of the same messages. */
export function decodeModel(bytes: Uint8Array): OnnxModel {
  return ModelProto.toObject(ModelProto.decode(bytes), {
    longs: Number,
    enums: String,
    defaults: true,
    arrays: true,
  }) as OnnxModel;
}
