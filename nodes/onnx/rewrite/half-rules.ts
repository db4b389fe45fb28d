/**
 * Which operators compute in half precision, and which of the others have floating inputs. Source:
 * the type constraints in onnx/docs/Operators.md (T includes tensor(float16)).
 */

/** All floating inputs and outputs of these are of one type, which may be float16. */
export const halfOperators: ReadonlySet<string> = new Set([
  ...['Abs', 'Acos', 'Acosh', 'Add', 'And', 'ArgMax', 'ArgMin', 'Asin', 'Asinh', 'Atan', 'Atanh'],
  ...['AveragePool', 'BatchNormalization', 'Ceil', 'Celu', 'Clip', 'Compress', 'Concat', 'Conv'],
  ...['ConvTranspose', 'Cos', 'Cosh', 'DepthToSpace', 'Div', 'Dropout', 'Einsum', 'Elu', 'Equal'],
  ...['Erf', 'Exp', 'Expand', 'Flatten', 'Floor', 'GRU', 'Gather', 'GatherElements', 'GatherND'],
  ...['Gelu', 'Gemm', 'GlobalAveragePool', 'GlobalLpPool', 'GlobalMaxPool', 'Greater'],
  ...['GreaterOrEqual', 'GroupNormalization', 'HardSigmoid', 'HardSwish', 'Hardmax', 'Identity'],
  ...['InstanceNormalization', 'IsInf', 'IsNaN', 'LRN', 'LSTM', 'LayerNormalization', 'LeakyRelu'],
  ...['Less', 'LessOrEqual', 'Log', 'LogSoftmax', 'LpNormalization', 'LpPool', 'MatMul', 'Max'],
  ...['MaxPool', 'Mean', 'Min', 'Mish', 'Mod', 'Mul', 'Neg', 'NonZero', 'Not', 'PRelu', 'Pad'],
  ...['Pow', 'RMSNormalization', 'RNN', 'Reciprocal', 'ReduceL1', 'ReduceL2', 'ReduceLogSum'],
  ...['ReduceLogSumExp', 'ReduceMax', 'ReduceMean', 'ReduceMin', 'ReduceProd', 'ReduceSum'],
  ...['ReduceSumSquare', 'Relu', 'Reshape', 'ReverseSequence', 'Round', 'ScatterElements'],
  ...['ScatterND', 'Selu', 'Shape', 'Shrink', 'Sigmoid', 'Sign', 'Sin', 'Sinh', 'Size', 'Slice'],
  ...['Softmax', 'Softplus', 'Softsign', 'SpaceToDepth', 'Split', 'Sqrt', 'Squeeze', 'Sub', 'Sum'],
  ...['Tan', 'Tanh', 'ThresholdedRelu', 'Tile', 'TopK', 'Transpose', 'Trilu', 'Unsqueeze', 'Where'],
  ...['Xor', 'If', 'Loop', 'Scan', 'OneHot', 'Range'],
]);

/** An attribute or their value sets the type of these: they are rewritten, not cast around. */
export const typedOperators: ReadonlySet<string> = new Set(['Cast', 'Constant', 'ConstantOfShape']);

/** Positions of floating inputs and outputs. */
export interface FloatingPositions {
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
}

/**
 * Computed in FP32, casts around them: no half precision there, or too little. Which inputs are
 * floating, and which outputs.
 */
export const floatOperators: Readonly<Record<string, FloatingPositions>> = {
  Resize: { inputs: [0, 1, 2], outputs: [0] },
  Upsample: { inputs: [0, 1], outputs: [0] },
  CumSum: { inputs: [0], outputs: [0] },
  NonMaxSuppression: { inputs: [0, 1, 3, 4], outputs: [] },
  RoiAlign: { inputs: [0, 1], outputs: [0] },
  GridSample: { inputs: [0, 1], outputs: [0] },
};

/** Every input and output of these is floating, so that they can be kept in FP32 on demand. */
export const keepableOperators: ReadonlySet<string> = new Set([
  ...['BatchNormalization', 'Conv', 'ConvTranspose', 'Div', 'Erf', 'Exp', 'Gelu', 'Gemm'],
  ...['GlobalAveragePool', 'InstanceNormalization', 'LayerNormalization', 'Log', 'LogSoftmax'],
  ...['MatMul', 'Pow', 'RMSNormalization', 'Reciprocal', 'Sigmoid', 'Softmax', 'Softplus', 'Sqrt'],
  ...['Tanh'],
]);

/** Without any floating input or output: nothing changes for them. */
export const integerOperators: ReadonlySet<string> = new Set([
  ...['BitShift', 'BitwiseAnd', 'BitwiseNot', 'BitwiseOr', 'BitwiseXor', 'StringNormalizer'],
]);
