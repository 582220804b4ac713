export * from './records.ts'
export * from './requests.ts'
